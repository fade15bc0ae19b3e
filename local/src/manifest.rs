//! The manifest. In: a file, what was changed since from outside of it (scale, stop, load), the practice that runs. Out:
//! the practice to run, or why not: by the rules that an API server would apply, and no other. Deliberately absent: a plan.

use std::{collections::BTreeMap, path::Path};

use practice_api::{ConsumerGroupPractice, Fault, faults};
use serde_json::{Value, json};

/// The namespace of every practice here.
pub const NAMESPACE: &str = "local";

/// Changes that did not come by the file. They last until it is saved again: then it is applied as a whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overlay {
    /// Number of consumers, by group and variant (empty: plain members).
    pub replicas: BTreeMap<(String, String), i32>,
    /// Whether a group is stopped.
    pub stopped: BTreeMap<String, bool>,
    /// Messages a second, and bytes of each.
    pub load: Option<(u32, Option<u32>)>,
}

/// What a file says, as JSON.
///
/// # Errors
/// It cannot be read, or is not one YAML document.
pub fn read(path: &Path) -> Result<Value, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("there is no {shown}: write the path of a manifest, such as deploy/samples/practice-3.yaml")
        }
        _ => format!("cannot read {shown}: {error}"),
    })?;
    serde_yaml::from_str(&text)
        .map_err(|error| format!("{shown} is not one YAML document: {error}"))
}

/// The practice that a file and an overlay make, if an API server would take it in the place of `running`.
///
/// # Errors
/// Each fault names the field, the value and the fix.
pub fn practice(
    file: &Value,
    overlay: &Overlay,
    running: Option<&ConsumerGroupPractice>,
    generation: i64,
) -> Result<ConsumerGroupPractice, Vec<String>> {
    let kind = (file["apiVersion"].as_str(), file["kind"].as_str());
    let (api_version, wanted) = (
        format!("{}/v1alpha1", practice_api::API_GROUP),
        "ConsumerGroupPractice",
    );
    if kind != (Some(&api_version), Some(wanted)) {
        return Err(vec![format!(
            "apiVersion and kind are {} and {}: only {api_version} and {wanted} run here",
            file["apiVersion"], file["kind"]
        )]);
    }
    let mut value = file.clone();
    overlay.lay_over(&mut value);
    value["metadata"]["namespace"] = json!(NAMESPACE);
    value["metadata"]["uid"] = json!(NAMESPACE);
    value["metadata"]["generation"] = json!(generation);
    let found = faults(&value, running);
    if !found.is_empty() {
        return Err(found.iter().map(Fault::to_string).collect());
    }
    let practice: ConsumerGroupPractice =
        serde_json::from_value(value).map_err(|error| vec![error.to_string()])?;
    match running {
        Some(running) if running.metadata.name != practice.metadata.name => {
            let name = |practice: &ConsumerGroupPractice| {
                practice.metadata.name.clone().unwrap_or_default()
            };
            let (before, now) = (name(running), name(&practice));
            Err(vec![format!(
                "metadata.name: `{now}` is another practice than `{before}`, which runs: write `{before}`, or run `{now}` in another directory"
            )])
        }
        _ => Ok(practice),
    }
}

impl Overlay {
    /// Another number of consumers.
    pub fn scale(&mut self, group: &str, variant: &str, replicas: i32) {
        self.replicas
            .insert((group.to_owned(), variant.to_owned()), replicas);
    }

    /// No consumers, or as many as before.
    pub fn stop(&mut self, group: &str, stopped: bool) {
        self.stopped.insert(group.to_owned(), stopped);
    }

    fn lay_over(&self, value: &mut Value) {
        // asking for what is not there by index would put a null there
        let groups = value
            .pointer_mut("/spec/groups")
            .and_then(Value::as_array_mut);
        for group in groups.into_iter().flatten() {
            let name = group["name"].as_str().unwrap_or_default().to_owned();
            if let Some(replicas) = self.replicas.get(&(name.clone(), String::new())) {
                group["replicas"] = json!(replicas);
            }
            if let Some(stopped) = self.stopped.get(&name) {
                group["state"] = json!(if *stopped { "Stopped" } else { "Running" });
            }
            let variants = group.get_mut("variants").and_then(Value::as_array_mut);
            for variant in variants.into_iter().flatten() {
                let key = (
                    name.clone(),
                    variant["name"].as_str().unwrap_or_default().to_owned(),
                );
                if let Some(replicas) = self.replicas.get(&key) {
                    variant["replicas"] = json!(replicas);
                }
            }
        }
        if let Some((messages_per_second, value_bytes)) = self.load {
            if !value["spec"]["producer"].is_object() {
                value["spec"]["producer"] = json!({});
            }
            let load = &mut value["spec"]["producer"]["load"];
            if !load.is_object() {
                *load = json!({});
            }
            load["messagesPerSecond"] = json!(messages_per_second);
            if let Some(bytes) = value_bytes {
                load["valueBytes"] = json!(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Value {
        json!({"apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice", "metadata": {"name": "p"},
            "spec": {"topics": [{"name": "t", "partitions": 3}],
                "groups": [{"name": "g", "replicas": 2, "variants": [{"name": "slow", "replicas": 1}]}]}})
    }

    #[test]
    fn what_is_changed_from_outside_is_held_to_the_same_rules() {
        let practice = |overlay: &Overlay| practice(&file(), overlay, None, 1);
        let mut overlay = Overlay::default();
        overlay.replicas.insert(("g".into(), String::new()), 4);
        overlay.replicas.insert(("g".into(), "slow".into()), 0);
        overlay.stopped.insert("g".into(), true);
        overlay.load = Some((5, None));
        let laid = practice(&overlay).expect("legal");
        let group = &laid.spec.groups[0];
        assert_eq!(
            (group.replicas, group.variants[0].replicas),
            (Some(4), Some(0))
        );
        assert_eq!(group.state, practice_api::DesiredState::Stopped);
        assert_eq!(
            laid.spec
                .producer
                .load
                .expect("laid over")
                .messages_per_second,
            5
        );
        assert_eq!(laid.metadata.namespace.as_deref(), Some("local"));
        overlay.replicas.insert(("g".into(), String::new()), 101);
        let faults = practice(&overlay).expect_err("too many").join("; ");
        assert!(
            faults.contains("spec.groups[0].replicas") && faults.contains("100"),
            "{faults}"
        );
    }

    #[test]
    fn a_running_practice_is_replaced_by_its_like_alone() {
        let running = practice(&file(), &Overlay::default(), None, 1).expect("legal");
        let replaced = |change: &dyn Fn(&mut Value)| {
            let mut value = file();
            change(&mut value);
            practice(&value, &Overlay::default(), Some(&running), 2)
        };
        assert!(replaced(&|_| ()).is_ok());
        for (change, says) in [
            (
                &(|v: &mut Value| v["spec"]["topics"][0]["partitions"] = json!(2))
                    as &dyn Fn(&mut Value),
                "only grow",
            ),
            (&|v| v["metadata"]["name"] = json!("q"), "metadata.name"),
            (
                &|v| v["kind"] = json!("Deployment"),
                "only kafka-practice.dev/v1alpha1",
            ),
            (&|v| v["spec"]["groups"][0]["replica"] = json!(3), "replica"),
        ] {
            let said = replaced(change).expect_err(says).join("; ");
            assert!(said.contains(says), "{said}");
        }
    }
}
