//! Whether an object differs from the desired one. In: both as JSON. Out: yes or no, as far as the operator applies fields, and a
//! hash to recognize a changed manifest. Pure. Deliberately absent: which client made the difference.

use practice_plan::labels::REPLICAS_BEFORE;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::quantity::amount;

/// The fields that are compared; objects in lists lack `kind` and `apiVersion`.
pub(super) fn comparable(body: &Value) -> Value {
    json!({"metadata": body["metadata"], "spec": body["spec"]})
}

/// What is compared, except the number of consumers.
pub(super) fn without_replicas(body: &Value) -> Value {
    let mut body = comparable(&without_replicas_before(body));
    if let Some(spec) = body["spec"].as_object_mut() {
        spec.remove("replicas");
    }
    body
}

pub(super) fn without_replicas_before(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(annotations) = body["metadata"]["annotations"].as_object_mut() {
        annotations.remove(REPLICAS_BEFORE);
    }
    body
}

/// Whether `there` contains everything in `wish`. Further fields, and further entries of lists whose entries have names, belong
/// to other clients and are kept, as by server-side apply.
pub(super) fn contains(there: &Value, wish: &Value) -> bool {
    match (there, wish) {
        (Value::Object(there), Value::Object(wish)) => wish.iter().all(|(key, value)| {
            let same = if matches!(key.as_str(), "requests" | "limits") {
                same_amounts
            } else {
                contains
            };
            there.get(key).is_some_and(|there| same(there, value))
        }),
        (Value::Array(there), Value::Array(wish)) => {
            let named = !wish.is_empty() && wish.iter().all(|entry| entry["name"].is_string());
            if named {
                wish.iter().all(|entry| {
                    there
                        .iter()
                        .any(|there| there["name"] == entry["name"] && contains(there, entry))
                })
            } else {
                there.len() == wish.len()
                    && there
                        .iter()
                        .zip(wish)
                        .all(|(there, wish)| contains(there, wish))
            }
        }
        (there, wish) => there == wish,
    }
}

/// Whether two lists of resources have the same amounts.
fn same_amounts(there: &Value, wish: &Value) -> bool {
    let amounts = |list: &Value| -> Vec<(String, Option<f64>)> {
        let amount = |value: &Value| value.as_f64().or_else(|| amount(value.as_str()?));
        list.as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), amount(value)))
            .collect()
    };
    amounts(there) == amounts(wish)
}

pub(super) fn hash(body: &Value) -> String {
    let digest = Sha256::digest(body.to_string().as_bytes());
    let number = digest
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{number:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_of_other_clients_are_kept_and_changes_are_differences() {
        let wish = json!({"spec": {"replicas": 2, "limits": {"memory": "1024Mi"}, "c": [{"name": "w", "image": "a", "env": [{"name": "X", "value": "1"}]}], "drop": ["ALL"]}});
        let mut there = wish.clone();
        there["status"] = json!({"readyReplicas": 1});
        there["spec"]["limits"] = json!({"memory": "1Gi"});
        there["spec"]["c"][0]["terminationMessagePath"] = json!("/dev/x");
        there["spec"]["c"][0]["env"] =
            json!([{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}]);
        assert!(contains(&there, &wish));
        for (pointer, value) in [
            ("/spec/replicas", json!(3)),
            ("/spec/limits/memory", json!("1G")),
            ("/spec/c/0/image", json!("b")),
            ("/spec/c/0/env", json!([])),
            ("/spec/drop", json!(["ALL", "NET"])),
        ] {
            let mut changed = there.clone();
            *changed.pointer_mut(pointer).expect("there") = value;
            assert!(!contains(&changed, &wish), "{pointer}");
        }
    }
}
