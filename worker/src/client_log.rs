//! Filters librdkafka's log for the worker's log. In: its log lines and errors. Out: lines to print (the same line at most once a
//! minute), and the member id and the answers to KIP-848 heartbeats, which librdkafka reports only in debug lines.
//! Deliberately absent: output and clock.

use std::{collections::HashMap, time::Duration};

use practice_contract::{WorkerSettings, denied};
use rdkafka::types::RDKafkaErrorCode;

/// The same line is not printed again within this time.
const QUIET: Duration = Duration::from_mins(1);
/// Different lines remembered; beyond that all are forgotten and may be printed again.
const REMEMBERED: usize = 64;

/// Which lines were printed when.
#[derive(Debug, Default)]
pub(crate) struct PrintedLines(HashMap<String, i64>);

impl PrintedLines {
    /// Whether `line` is news at `now` (milliseconds since the epoch).
    pub(crate) fn is_news(&mut self, line: &str, now: i64) -> bool {
        let is_recent = self
            .0
            .get(line)
            .is_some_and(|at| u128::try_from(now - at).is_ok_and(|age| age < QUIET.as_millis()));
        if is_recent {
            return false;
        }
        if self.0.len() == REMEMBERED {
            self.0.clear();
        }
        self.0.insert(line.to_owned(), now);
        true
    }
}

/// What an error of the client means to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// No broker answers; the client retries.
    Unreachable,
    /// One connection failed; others may serve.
    Connection,
    /// A subscribed topic does not exist (yet).
    MissingTopic,
    /// The group refuses this member for now; the client retries.
    Refused,
    /// Reported elsewhere with its reason.
    Fatal,
    /// Anything else.
    Other,
}

/// Sorts an error of the client.
pub(crate) fn meaning(code: RDKafkaErrorCode) -> Meaning {
    match code {
        RDKafkaErrorCode::AllBrokersDown => Meaning::Unreachable,
        RDKafkaErrorCode::BrokerTransportFailure
        | RDKafkaErrorCode::Resolve
        | RDKafkaErrorCode::OperationTimedOut => Meaning::Connection,
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => {
            Meaning::MissingTopic
        }
        RDKafkaErrorCode::Fatal => Meaning::Fatal,
        // as errors of the whole client these two do not come from the group
        RDKafkaErrorCode::UnsupportedVersion | RDKafkaErrorCode::UnsupportedFeature => {
            Meaning::Other
        }
        code if may_pass(code) => Meaning::Refused,
        _ => Meaning::Other,
    }
}

/// Whether an error is the group's refusal of this member, which may pass: an older Kafka is upgraded, a limit raised, a right
/// granted, another member gone. After a fatal one a new client is tried after a while. Any other fatal error ends the program.
pub(crate) fn may_pass(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::UnsupportedVersion
            | RDKafkaErrorCode::UnsupportedFeature
            | RDKafkaErrorCode::UnsupportedAssignor
            | RDKafkaErrorCode::InconsistentGroupProtocol
            | RDKafkaErrorCode::GroupMaxSizeReached
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::UnreleasedInstanceId
    )
}

/// Why a group refuses a member, and the fix.
pub(crate) fn refusal(code: RDKafkaErrorCode, reason: &str, settings: &WorkerSettings) -> String {
    let fix = match code {
        RDKafkaErrorCode::GroupAuthorizationFailed => {
            return denied("Read", &format!("group {}", settings.group));
        }
        RDKafkaErrorCode::UnsupportedVersion | RDKafkaErrorCode::UnsupportedFeature => {
            "the Consumer protocol needs Kafka 4.0 or newer with feature group.version at 1"
        }
        RDKafkaErrorCode::UnsupportedAssignor => {
            "choose an assignor of the broker's group.consumer.assignors"
        }
        RDKafkaErrorCode::InconsistentGroupProtocol => {
            "stop the members with another protocol or assignor"
        }
        RDKafkaErrorCode::GroupMaxSizeReached => {
            "stop a member, or raise the broker's group.max.size (Classic) or group.consumer.max.size (Consumer)"
        }
        RDKafkaErrorCode::UnreleasedInstanceId => {
            "stop the member with the same group.instance.id, or wait for its session timeout"
        }
        _ => return reason.to_owned(),
    };
    format!("{reason}; {fix}")
}

/// The new member id in `Group "g": updating member id "(not-set)" -> "rdkafka-1234"`, the debug line `MEMBERID`; empty:
/// it has none any more.
pub(crate) fn member_id<'a>(facility: &str, line: &'a str) -> Option<&'a str> {
    if facility != "MEMBERID" {
        return None;
    }
    let id = line.rsplit_once("-> \"")?.1.strip_suffix('"')?;
    Some(if id == "(not-set)" { "" } else { id })
}

/// What a debug line reports about a KIP-848 membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heartbeat {
    /// The coordinator accepted a heartbeat; the member's epoch.
    Accepted(i32),
    /// The coordinator does not know the member any more.
    Fenced,
}

/// The meaning of `ConsumerGroupHeartbeat response received for member id "1234" with epoch 3` and of
/// `Revoking assignment as lost an rejoining in join state steady`, debug lines `HEARTBEAT`.
pub(crate) fn heartbeat(facility: &str, line: &str) -> Option<Heartbeat> {
    if facility != "HEARTBEAT" {
        return None;
    }
    if line.contains("Revoking assignment as lost") {
        return Some(Heartbeat::Fenced);
    }
    let (_, answer) = line.split_once("ConsumerGroupHeartbeat response received")?;
    let (_, epoch) = answer.rsplit_once(" with epoch ")?;
    epoch.trim().parse().ok().map(Heartbeat::Accepted)
}

/// `cgrp.state` and `cgrp.join_state` of the client's statistics.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Statistics {
    pub(crate) cgrp: Option<Membership>,
}

/// The consumer group in the client's statistics.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Membership {
    state: String,
    join_state: String,
}

impl Membership {
    /// The coordinator is known and connected.
    pub(crate) fn is_up(&self) -> bool {
        self.state == "up"
    }

    /// Joined and stable. Never reported for a KIP-848 member without partitions.
    pub(crate) fn is_steady(&self) -> bool {
        self.join_state == "steady"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_line_is_printed_once_a_minute() {
        let mut printed = PrintedLines::default();
        assert!(printed.is_news("a", 0));
        assert!(printed.is_news("b", 0));
        assert!(!printed.is_news("a", 59_999));
        assert!(printed.is_news("a", 60_000));
        for line in 0..1000 {
            assert!(printed.is_news(&line.to_string(), 0));
        }
        assert!(printed.0.len() <= REMEMBERED);
    }

    #[test]
    fn the_member_id_is_read_from_its_line() {
        let line = r#"[thrd:main]: Group "g": updating member id "(not-set)" -> "rdkafka-6f2b""#;
        assert_eq!(member_id("MEMBERID", line), Some("rdkafka-6f2b"));
        assert_eq!(
            member_id("MEMBERID", r#"Group "g": updating member id "a" -> """#),
            Some("")
        );
        assert_eq!(
            member_id(
                "MEMBERID",
                r#"Group "g": updating member id "a" -> "(not-set)""#
            ),
            Some("")
        );
        assert_eq!(member_id("CGRPSTATE", line), None);
        assert_eq!(member_id("MEMBERID", "something else"), None);
    }

    #[test]
    fn answers_to_heartbeats_are_read_from_their_lines() {
        for (line, expected) in [
            (
                r#"[thrd:main]: ConsumerGroupHeartbeat response received for member id "a with epoch 9" with epoch 3"#,
                Some(Heartbeat::Accepted(3)),
            ),
            (
                "Revoking assignment as lost an rejoining in join state init",
                Some(Heartbeat::Fenced),
            ),
            ("Acknowledging target assignment \"t [0]\"", None),
        ] {
            assert_eq!(heartbeat("HEARTBEAT", line), expected, "{line}");
            assert_eq!(heartbeat("CGRPSTATE", line), None);
        }
    }

    #[test]
    fn statistics_are_read_leniently() {
        let json = r#"{"name": "x", "topics": {}, "cgrp": {"state": "up", "stateage": 1, "join_state": "init"}}"#;
        let cgrp = serde_json::from_str::<Statistics>(json)
            .expect("readable")
            .cgrp
            .expect("there");
        assert!(cgrp.is_up() && !cgrp.is_steady());
        assert!(
            serde_json::from_str::<Statistics>("{}")
                .expect("readable")
                .cgrp
                .is_none()
        );
    }

    #[test]
    fn a_refusal_may_pass_and_a_fenced_instance_may_not() {
        assert!(may_pass(RDKafkaErrorCode::UnsupportedVersion));
        assert!(!may_pass(RDKafkaErrorCode::FencedInstanceId));
        for code in [
            RDKafkaErrorCode::InconsistentGroupProtocol,
            RDKafkaErrorCode::UnsupportedAssignor,
            RDKafkaErrorCode::GroupMaxSizeReached,
            RDKafkaErrorCode::GroupAuthorizationFailed,
            RDKafkaErrorCode::UnreleasedInstanceId,
        ] {
            assert_eq!(meaning(code), Meaning::Refused, "{code}");
        }
        assert_eq!(meaning(RDKafkaErrorCode::Fatal), Meaning::Fatal);
    }
}
