//! What state things are in, as a glyph, a word and a tone. Pure. In: conditions and groups of a status. Out: marks, and the
//! sentences that have to be read. The one place that judges; everything that is printed takes its words from here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use practice_api::{ConsumerGroupPractice, GroupState, PracticeStatus, spec::Group, status::GroupStatus};

use crate::text::{Line, Tone};

/// A glyph with its word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// How it is meant.
    pub tone: Tone,
    /// `✔`
    pub glyph: &'static str,
    /// `Ready`
    pub word: String,
}

impl Mark {
    fn new(tone: Tone, word: &str) -> Self {
        let glyph = match tone {
            Tone::Good => "✔",
            Tone::Warn => "⚠",
            Tone::Bad => "✘",
            _ => "○",
        };
        Self { tone, glyph, word: word.to_owned() }
    }

    /// `✔ Ready`
    pub fn line(&self) -> Line {
        Line::of(self.tone, &format!("{} {}", self.glyph, self.word))
    }
}

/// A condition of a status.
pub fn condition<'a>(status: &'a PracticeStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == kind)
}

/// A practice as a whole.
pub fn of_practice(practice: &ConsumerGroupPractice) -> Mark {
    let Some(status) = &practice.status else { return Mark::new(Tone::Warn, "not looked at yet") };
    match condition(status, "Ready").map(|ready| ready.status.as_str()) {
        Some("True") => Mark::new(Tone::Good, "Ready"),
        Some("False") => Mark::new(Tone::Bad, "NotReady"),
        _ => Mark::new(Tone::Warn, "Unknown"),
    }
}

/// Whether a condition is as it should be.
pub fn of_condition(condition: &Condition) -> Tone {
    let wanted = match condition.type_.as_str() {
        "Reconciling" | "Stalled" | "IdleConsumers" => "False",
        _ => "True",
    };
    match (condition.type_.as_str(), condition.status.as_str()) {
        (_, value) if value == wanted => Tone::Good,
        ("Reconciling" | "IdleConsumers", "True") | (_, "Unknown") => Tone::Warn,
        _ => Tone::Bad,
    }
}

/// A condition with its glyph.
pub fn marked(condition: &Condition) -> Mark {
    Mark::new(of_condition(condition), &condition.type_)
}

/// What of a practice has to be read: conditions that are not as they should be, each sentence once, the gravest first.
pub fn remarks(practice: &ConsumerGroupPractice) -> Vec<Line> {
    let Some(status) = &practice.status else {
        let what = "the operator has not looked at it: is one there? kubectl cgp check";
        return vec![Line::of(Tone::Warn, "⚠ ").and(Tone::Plain, what)];
    };
    let mut lines = Vec::new();
    let mut said: Vec<&str> = Vec::new();
    let spoken = |condition: &&Condition| condition.type_ != "IdleConsumers"; // the consumers themselves say it
    let mut conditions: Vec<&Condition> = status.conditions.iter().filter(spoken).collect();
    conditions.sort_by_key(|condition| of_condition(condition) != Tone::Bad);
    for condition in conditions {
        let mark = marked(condition);
        if mark.tone == Tone::Good || said.contains(&condition.message.as_str()) {
            continue;
        }
        said.push(&condition.message);
        // the name of a condition that is false reads as if it were true
        let no = if mark.tone == Tone::Bad && condition.status == "False" { "not " } else { "" };
        let what = format!("{} {no}{}", mark.glyph, mark.word);
        lines.push(
            Line::of(mark.tone, &what).and(Tone::Plain, &format!("  {}: {}", condition.reason, condition.message)),
        );
    }
    if practice.metadata.generation.is_some() && status.observed_generation != practice.metadata.generation {
        let what = "the manifest has changed and the operator has not looked at it since: this is how it was before";
        lines.push(Line::of(Tone::Warn, "⚠ ").and(Tone::Plain, what));
    }
    lines
}

/// Members come and go, and Kafka is handing out partitions anew.
pub fn is_rebalancing(group: &GroupStatus) -> bool {
    matches!(group.state.as_str(), "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling")
}

/// A group. `wanted` is its manifest.
pub fn of_group(group: &GroupStatus, wanted: Option<&Group>) -> Mark {
    let stopped = wanted.is_some_and(|wanted| wanted.state == GroupState::Stopped);
    match group.state.as_str() {
        _ if !group.claimed => Mark::new(Tone::Bad, "NotClaimed"),
        "Stable" if group.ready_replicas < group.replicas => Mark::new(Tone::Warn, "Stable"),
        "Stable" => Mark::new(Tone::Good, "Stable"),
        "Empty" | "Absent" if stopped => Mark::new(Tone::Dim, "Stopped"),
        "Empty" | "Absent" if group.replicas == 0 => Mark::new(Tone::Dim, &group.state),
        "Empty" | "Absent" => Mark::new(Tone::Bad, &group.state),
        "Unknown" => Mark { tone: Tone::Warn, glyph: "?", word: "Unknown".to_owned() },
        state if is_rebalancing(group) => Mark { tone: Tone::Warn, glyph: "↻", word: state.to_owned() },
        state => Mark::new(Tone::Warn, state),
    }
}

/// Members of a group that Kafka tells of; `None`: it does not, or the list was cut.
pub fn members(group: &GroupStatus) -> Option<usize> {
    (group.state != "Unknown" && !group.truncated).then_some(group.members.len())
}

/// `2/3 consumers`: so many are members, so many are wanted.
pub fn consumers(group: &GroupStatus) -> String {
    let there = match members(group) {
        Some(members) => members.to_string(),
        None if group.truncated => group.ready_replicas.to_string(),
        None => "?".to_owned(),
    };
    format!("{there}/{} consumer{}", group.replicas, if group.replicas == 1 { "" } else { "s" })
}

/// Why a group's lag is not known.
pub fn lag_unknown_because(status: &PracticeStatus, group: &GroupStatus) -> String {
    if let Some(kafka) = condition(status, "KafkaReachable").filter(|kafka| kafka.status != "True") {
        return format!("Kafka: {}", kafka.reason);
    }
    if group.state == "Unknown" {
        return "Kafka has not described the group".to_owned();
    }
    let owned = group.members.iter().flat_map(|member| &member.partitions);
    let unknown: Vec<String> =
        owned.filter(|owned| owned.lag.is_none()).map(|owned| format!("{}/{}", owned.topic, owned.partition)).collect();
    match unknown.as_slice() {
        [] => "a partition that no consumer has cannot be read".to_owned(),
        [one] => format!("{one} cannot be read"),
        [one, rest @ ..] => format!("{one} and {} more cannot be read", rest.len()),
    }
}

/// What stands behind a lag that is not simply end minus committed.
pub fn lag_remark(because: &str) -> &str {
    match because {
        "NoCommit" => "no commit yet",
        "Expired" => "offset expired: messages were deleted before they were read",
        "Stale" => "committed beyond the end: the topic was made anew",
        "Unknown" => "cannot be read",
        other => other,
    }
}
