//! What a plan is for the broker in memory. In: a plan. Out: the plan that can run there, and a sentence for each thing that
//! it does otherwise. Pure. It comes before the one renderer, so that nothing else has to know.

use practice_contract::{Assignor, Protocol, worker};
use practice_plan::plan::Plan;

/// Session timeout of that broker; it cannot be set.
pub const SESSION_TIMEOUT_SECONDS: u32 = 30;

/// Rewrites a plan: every group is of protocol Consumer, with what that broker divides by.
/// (Its Classic groups wait a whole session timeout whenever somebody joins or leaves.)
pub fn rewrite(plan: &mut Plan) -> Vec<String> {
    let mut said = Vec::new();
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
        said.push(format!(
            "{}: protocol Consumer and assignor Range here instead of Classic; sessionTimeout is {SESSION_TIMEOUT_SECONDS} s and cannot be set (--kafka apache runs it as written)",
            classic.join(", ")
        ));
    }
    if !divided.is_empty() {
        said.push(format!(
            "{}: assignor Range here, the broker in memory has no other (--kafka apache runs it as written)",
            divided.join(", ")
        ));
    }
    let configured: Vec<&str> = plan
        .topics
        .iter()
        .filter(|t| !t.config.is_empty())
        .map(|t| t.name.as_str())
        .collect();
    if !configured.is_empty() {
        said.push(format!(
            "{}: config is not applied, the broker in memory has none (--kafka apache applies it)",
            configured.join(", ")
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    use practice_plan::{plan::Defaults, plan::plan};
    use serde_json::json;

    use super::*;

    #[test]
    fn every_group_becomes_one_that_runs_there_and_it_is_said() {
        let practice = serde_json::from_value(json!({
            "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice", "metadata": {"name": "p"},
            "spec": {"topics": [{"name": "t", "config": {"retention.ms": "1"}}], "groups": [
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
        let said = rewrite(&mut plan);
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
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(
            said[0].starts_with("a: protocol Consumer")
                && said[1].starts_with("b: ")
                && said[2].starts_with("t: ")
        );
    }
}
