//! Adapts a plan to the embedded broker. Pure. In: a plan. Out: a plan that runs there, and a note for each deviation. It runs
//! before rendering, so that no other step needs to know.

use practice_contract::{Assignor, Protocol, producer, worker};
use practice_plan::plan::Plan;

/// Session timeout of the embedded broker in seconds; it cannot be configured.
pub const SESSION_TIMEOUT_SECONDS: u32 = 30;

/// Sets protocol Consumer and assignor Range for every group, because Classic groups of this broker wait a whole session
/// timeout whenever a member joins or leaves. This broker accepts messages of any size, so the producer has the limit of each topic.
pub fn rewrite(plan: &mut Plan) -> Vec<String> {
    let mut notes = Vec::new();
    let mut classic = Vec::new();
    let mut divided = Vec::new();
    for group in &mut plan.groups {
        let before = (group.protocol, group.assignor);
        if before.0 == Protocol::Classic {
            classic.push(group.id.clone());
        } else if before.1 != Assignor::Range {
            divided.push(group.id.clone());
        }
        (group.protocol, group.assignor) = (Protocol::Consumer, Assignor::Range);
        for row in &mut group.rows {
            row.settings.protocol = Protocol::Consumer;
            row.settings.assignor = Assignor::Range;
            row.settings.session_timeout = worker::DEFAULT_SESSION_TIMEOUT;
            row.settings.heartbeat_interval = worker::DEFAULT_HEARTBEAT_INTERVAL;
        }
    }
    if !classic.is_empty() {
        notes.push(format!(
            "{}: protocol Consumer and assignor Range instead of Classic; sessionTimeout is {SESSION_TIMEOUT_SECONDS} s and cannot be set (use --kafka apache to run the manifest unchanged)",
            classic.join(", ")
        ));
    }
    if !divided.is_empty() {
        notes.push(format!(
            "{}: assignor Range, the only one of the embedded broker (use --kafka apache to run the manifest unchanged)",
            divided.join(", ")
        ));
    }
    if let Some(producer) = &mut plan.producer {
        for topic in &plan.topics {
            let limits = &mut producer.settings.max_message_bytes;
            limits
                .entry(topic.name.clone())
                .or_insert(producer::DEFAULT_MAX_MESSAGE_BYTES);
        }
    }
    let is_applied = |key: &String| key == producer::MAX_MESSAGE_BYTES;
    let configured: Vec<&str> = plan
        .topics
        .iter()
        .filter(|topic| !topic.config.keys().all(is_applied))
        .map(|t| t.name.as_str())
        .collect();
    if !configured.is_empty() {
        notes.push(format!(
            "{}: config is not applied except {}, the embedded broker has no topic configuration (--kafka apache applies it)",
            configured.join(", "),
            producer::MAX_MESSAGE_BYTES
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use practice_plan::{plan::Defaults, plan::plan};
    use serde_json::json;

    use super::*;

    #[test]
    fn groups_are_rewritten_with_a_note_for_each_deviation() {
        let practice = serde_json::from_value(json!({
            "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice", "metadata": {"name": "p"},
            "spec": {"topics": [
                {"name": "t", "config": {"retention.ms": "1"}}, {"name": "u", "config": {"max.message.bytes": "5242880"}}
            ], "groups": [
                {"name": "a", "assignor": "RoundRobin", "sessionTimeout": "6s"},
                {"name": "b", "protocol": "Consumer"},
                {"name": "c", "protocol": "Consumer", "assignor": "Range"}]}
        }))
        .expect("a practice");
        let defaults = Defaults {
            bootstrap_servers: Some("k:1".into()),
            ..Defaults::default()
        };
        let mut plan = plan(&practice, &defaults).expect("legal");
        let notes = rewrite(&mut plan);
        assert!(
            plan.groups
                .iter()
                .all(|group| group.protocol_key() == "consumer/range")
        );
        let env = plan.groups[0].rows[0].settings.to_env();
        assert!(
            !env.iter().any(|(name, _)| name.contains("SESSION")),
            "{env:?}"
        );
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(
            notes[0].starts_with("a: protocol Consumer")
                && notes[1].starts_with("b: ")
                && notes[2].starts_with("t: ")
        );
        let producer = plan.producer.expect("on by default").settings;
        let limits = [("t".to_owned(), 1_048_588), ("u".to_owned(), 5_242_880)];
        assert_eq!(producer.max_message_bytes, limits.into());
    }
}
