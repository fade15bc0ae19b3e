//! The manifest. In: a file, later changes by commands (scale, stop, load), the running practice. Out: the practice to run, or
//! faults by the rules of the API server. Deliberately absent: a plan.

use std::{collections::BTreeMap, path::Path};

use practice_api::{ConsumerGroupPractice, Fault, faults};
use serde_json::{Value, json};

/// Namespace of every practice in local mode.
pub const NAMESPACE: &str = "local";

/// Changes by commands. Saving the manifest discards them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overlay {
    /// Number of consumers, by group and variant (empty for plain members).
    pub replicas: BTreeMap<(String, String), i32>,
    /// Whether a group is stopped.
    pub stopped: BTreeMap<String, bool>,
    /// Messages per second, and bytes of each value.
    pub load: Option<(u32, Option<u32>)>,
}

/// Reads a manifest as JSON.
///
/// # Errors
/// The file cannot be read, or is not one YAML document.
pub fn read(path: &Path) -> Result<Value, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!(
                "{shown} does not exist: name a manifest, such as deploy/samples/practice-3.yaml"
            )
        }
        _ => format!("cannot read {shown}: {error}"),
    })?;
    serde_yaml::from_str(&text)
        .map_err(|error| format!("{shown} is not one YAML document: {error}"))
}

/// Combines a file and an overlay into a practice, validated as an update of `running`.
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
            "apiVersion and kind are {} and {}: use {api_version} and {wanted}",
            file["apiVersion"], file["kind"]
        )]);
    }
    let mut value = file.clone();
    overlay.merge_into(&mut value);
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
                "metadata.name `{now}` differs from the running practice `{before}`: use `{before}`, or run `{now}` in another directory"
            )])
        }
        _ => Ok(practice),
    }
}

impl Overlay {
    /// Sets the number of consumers.
    pub fn scale(&mut self, group: &str, variant: &str, replicas: i32) {
        self.replicas
            .insert((group.to_owned(), variant.to_owned()), replicas);
    }

    /// Stops or starts a group.
    pub fn stop(&mut self, group: &str, stopped: bool) {
        self.stopped.insert(group.to_owned(), stopped);
    }

    fn merge_into(&self, value: &mut Value) {
        // indexing a missing field of a `Value` would insert null
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
    fn changes_by_commands_are_validated() {
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
    fn update_of_a_running_practice_is_validated() {
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
                "use kafka-practice.dev/v1alpha1",
            ),
            (&|v| v["spec"]["groups"][0]["replica"] = json!(3), "replica"),
        ] {
            let message = replaced(change).expect_err(says).join("; ");
            assert!(message.contains(says), "{message}");
        }
    }
}
