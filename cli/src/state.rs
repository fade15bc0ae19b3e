//! State of practices, conditions and groups as a glyph, a word and a tone. Pure. In: conditions and groups of a status, the
//! time. Out: marks and warnings. All verbs take their marks from here.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use practice_api::{
    ConsumerGroupPractice, DesiredState, PracticeStatus,
    spec::Group,
    status::{GroupStatus, HealthStatus, OtherGroupStatus, OwnedPartition},
};
use practice_groups::HealthState;
use practice_plan::status::ending::{BLOCKED, DELETING};

use crate::text::{Line, Tone, counted};

/// After this time without a write of status its numbers have not changed: the operator's pause, and a poll.
const STATUS_PAUSE: SignedDuration = SignedDuration::from_secs(15);

/// Owner column of partitions without an owner.
pub const NO_CONSUMER: &str = "no consumer";

/// A glyph with its word, such as `✔ Ready`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Tone of both.
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
        Self {
            tone,
            glyph,
            word: word.to_owned(),
        }
    }

    /// `✔ Ready`
    pub fn line(&self) -> Line {
        Line::of(self.tone, &format!("{} {}", self.glyph, self.word))
    }
}

/// Mark of a practice: its condition Ready, or Deleting or Pending.
pub fn practice_mark(practice: &ConsumerGroupPractice) -> Mark {
    if practice.metadata.deletion_timestamp.is_some() {
        return Mark::new(Tone::Warn, "Deleting");
    }
    let Some(status) = &practice.status else {
        return Mark::new(Tone::Warn, "Pending");
    };
    match status.condition("Ready").map(|ready| ready.status.as_str()) {
        Some("True") => Mark::new(Tone::Good, "Ready"),
        Some("False") => Mark::new(Tone::Bad, "NotReady"),
        _ => Mark::new(Tone::Warn, "Unknown"),
    }
}

/// Tone of a condition: Good when its status is the healthy one of its type.
pub fn condition_tone(condition: &Condition) -> Tone {
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

/// Mark of a condition.
pub fn condition_mark(condition: &Condition) -> Mark {
    Mark::new(condition_tone(condition), &condition.type_)
}

/// Warnings about a practice: unhealthy conditions, each message once, failures first.
pub fn remarks(practice: &ConsumerGroupPractice) -> Vec<Line> {
    let mut lines: Vec<Line> = deleting(practice).into_iter().collect();
    let Some(status) = &practice.status else {
        let what =
            "no status: the operator has not reconciled this practice yet; run kubectl cgp check";
        lines.push(Line::of(Tone::Warn, "⚠ ").and(Tone::Plain, what));
        return lines;
    };
    let mut printed: Vec<&str> = Vec::new();
    // idle consumers have their own lines in the tree, and the first line reports a deletion
    let is_shown = |condition: &&Condition| {
        let is_deletion = condition.reason == DELETING && condition.type_ != "Reconciling";
        condition.type_ != "IdleConsumers" && !is_deletion
    };
    let mut conditions: Vec<&Condition> = status.conditions.iter().filter(is_shown).collect();
    conditions.sort_by_key(|condition| condition_tone(condition) != Tone::Bad);
    for condition in conditions {
        let mark = condition_mark(condition);
        if mark.tone == Tone::Good || printed.contains(&condition.message.as_str()) {
            continue;
        }
        printed.push(&condition.message);
        // `✘ Ready` alone would read as if the condition were true
        let no = if mark.tone == Tone::Bad && condition.status == "False" {
            "not "
        } else {
            ""
        };
        let what = format!("{} {no}{}", mark.glyph, mark.word);
        lines.push(Line::of(mark.tone, &what).and(
            Tone::Plain,
            &format!("  {}: {}", condition.reason, condition.message),
        ));
    }
    // a deletion increments the generation, too
    let is_deleted = practice.metadata.deletion_timestamp.is_some();
    if !is_deleted
        && practice.metadata.generation.is_some()
        && status.observed_generation != practice.metadata.generation
    {
        let what =
            "status is out of date: the operator has not reconciled the changed manifest yet";
        lines.push(Line::of(Tone::Warn, "⚠ ").and(Tone::Plain, what));
    }
    lines
}

/// Warning that a practice is being deleted, with its finalizers.
fn deleting(practice: &ConsumerGroupPractice) -> Option<Line> {
    let since = practice.metadata.deletion_timestamp.as_ref()?.0;
    let waits = practice
        .metadata
        .finalizers
        .iter()
        .flatten()
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let waits = if waits.is_empty() {
        String::new()
    } else {
        format!("; waiting for finalizer {waits}")
    };
    let ready = practice
        .status
        .as_ref()
        .and_then(|status| status.condition("Ready"));
    let before = match ready {
        Some(ready) if ready.reason != DELETING => {
            "; the operator has not reported it yet: the status below is from before"
        }
        _ => "",
    };
    let what = format!("being deleted since {since}{waits}{before}");
    Some(Line::of(Tone::Warn, "⚠ ").and(Tone::Plain, &what))
}

/// Why the topics of a practice that is being deleted cannot be deleted; `None`: nothing blocks it.
pub fn blocked_deletion(practice: &ConsumerGroupPractice) -> Option<&str> {
    practice.metadata.deletion_timestamp.as_ref()?;
    let reconciling = practice.status.as_ref()?.condition("Reconciling")?;
    (reconciling.reason == BLOCKED).then_some(reconciling.message.as_str())
}

/// Whether Kafka is reassigning the partitions of a group.
pub fn is_rebalancing(group: &GroupStatus) -> bool {
    matches!(
        group.state.as_str(),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling"
    )
}

/// Mark of a group; `wanted` is its manifest.
pub fn group_mark(group: &GroupStatus, wanted: Option<&Group>) -> Mark {
    let stopped = wanted.is_some_and(|wanted| wanted.state == DesiredState::Stopped);
    match group.state.as_str() {
        _ if !group.group_id_owned => Mark::new(Tone::Bad, "GroupIdNotOwned"),
        "Stable" if group.ready_replicas < group.replicas => Mark::new(Tone::Warn, "Stable"),
        "Stable" => Mark::new(Tone::Good, "Stable"),
        "Empty" | "Absent" if stopped => Mark::new(Tone::Dim, "Stopped"),
        "Empty" | "Absent" if group.is_scaled_to_zero() => Mark::new(Tone::Dim, "ScaledToZero"),
        "Empty" | "Absent" if group.replicas == 0 => Mark::new(Tone::Dim, &group.state),
        "Empty" | "Absent" => Mark::new(Tone::Bad, &group.state),
        "Unknown" => Mark {
            tone: Tone::Warn,
            glyph: "?",
            word: "Unknown".to_owned(),
        },
        state if is_rebalancing(group) => Mark {
            tone: Tone::Warn,
            glyph: "↻",
            word: state.to_owned(),
        },
        state => Mark::new(Tone::Warn, state),
    }
}

/// Number of members; `None` when Kafka has not reported them, or status lists not all.
pub fn members(group: &GroupStatus) -> Option<usize> {
    (group.state != "Unknown" && !group.truncated).then_some(group.members.len())
}

/// `2/3 consumers`: members and spec.groups[].replicas.
pub fn consumers(group: &GroupStatus) -> String {
    let there = match members(group) {
        Some(members) => members.to_string(),
        None if group.truncated => group.ready_replicas.to_string(),
        None => "?".to_owned(),
    };
    format!(
        "{there}/{} consumer{}",
        group.replicas,
        if group.replicas == 1 { "" } else { "s" }
    )
}

/// Reason and time since when a group's lag is unknown.
pub fn lag_unknown_reason(status: &PracticeStatus, group: &GroupStatus) -> String {
    let since = group
        .unknown_since
        .as_ref()
        .map_or_else(String::new, |since| format!(", since {since}"));
    format!("{}{since}", unknown_reason(status, group))
}

fn unknown_reason(status: &PracticeStatus, group: &GroupStatus) -> String {
    if let Some(kafka) = status
        .condition("KafkaReachable")
        .filter(|kafka| kafka.status == "False")
    {
        return format!("Kafka: {}", kafka.reason);
    }
    if let Some(message) = &group.message {
        return message.clone();
    }
    if group.state == "Unknown" {
        return "Kafka has not described the group".to_owned();
    }
    let owned = group.shares();
    let unknown: Vec<String> = owned
        .filter(|owned| owned.lag.is_none())
        .map(|owned| format!("{}/{}", owned.topic, owned.partition))
        .collect();
    match unknown.as_slice() {
        [] => "offsets of an unassigned partition are unknown".to_owned(),
        [one] => format!("offsets of {one} are unknown"),
        [one, rest @ ..] => format!(
            "offsets of {one} and {} more partitions are unknown",
            rest.len()
        ),
    }
}

/// Remark on a lag that is not end minus committed offset; `None` for a plain lag.
pub fn lag_remark(owned: &OwnedPartition) -> Option<String> {
    let because = owned
        .lag_reason
        .as_deref()
        .or_else(|| owned.lag.is_none().then_some("Unknown"))?;
    Some(match because {
        // an empty partition has nothing to commit
        "NoCommit" if owned.end == Some(0) => return None,
        "NoCommit" => "no commit yet".to_owned(),
        "Expired" => {
            let lost = owned.lost.map_or_else(
                || "messages".to_owned(),
                |lost| match lost {
                    1 => "1 message".to_owned(),
                    lost => format!("{lost} messages"),
                },
            );
            format!("{lost} expired before being read")
        }
        "Stale" => "committed offset is beyond the end: reset the group's offsets".to_owned(),
        "Recreated" => {
            "the topic was recreated, the committed offset is from the previous topic".to_owned()
        }
        "Unknown" => match &owned.unknown_since {
            Some(since) => format!("offsets unknown since {since}"),
            None => "offsets unknown".to_owned(),
        },
        other => other.to_owned(),
    })
}

/// Number of partitions that status counts and does not list.
pub fn unlisted_count(listed: &[OwnedPartition], count: i32) -> usize {
    usize::try_from(count)
        .unwrap_or_default()
        .saturating_sub(listed.len())
}

/// Note about them: `and 4 more`, or `4 partitions, not listed` when status lists none.
pub fn unlisted(listed: &[OwnedPartition], count: i32) -> Option<String> {
    match unlisted_count(listed, count) {
        0 => None,
        more if listed.is_empty() => Some(format!("{}, not listed", counted(more, "partition"))),
        more => Some(format!("and {more} more")),
    }
}

/// The time for which `oldestSince` of a status holds. The operator writes numbers of a lag every 10 s: until then a group may have
/// consumed the message that was the oldest, so the age is that at the time of writing. What is older has not changed since, and the
/// message still waits. `now` without managed fields, as in local mode, whose status is of the last poll.
pub fn oldest_as_of(practice: &ConsumerGroupPractice, now: Timestamp) -> Timestamp {
    let entries = practice.metadata.managed_fields.iter().flatten();
    let written = entries
        .filter(|entry| entry.subresource.as_deref() == Some("status"))
        .filter_map(|entry| Some(entry.time.as_ref()?.0))
        .max();
    let recent = written.filter(|written| now.duration_since(*written) < STATUS_PAUSE);
    recent.map_or(now, |written| written.min(now))
}

/// Age of the oldest unprocessed message, and the estimated time to process all: `oldest 55 s, done in 2 min`. An estimate in
/// the past is left out, because it proved wrong.
pub fn age(group: &GroupStatus, now: Timestamp) -> Option<String> {
    let ahead = |time: Option<&String>| {
        Some(
            time?
                .parse::<Timestamp>()
                .ok()?
                .duration_since(now)
                .as_secs(),
        )
    };
    let is_behind = group.lag.is_some_and(|lag| lag > 0);
    // clocks differ: an age is never negative
    let oldest = ahead(group.oldest_since.as_ref())
        .filter(|_| is_behind)?
        .min(0)
        .saturating_neg();
    let done = ahead(group.done_at.as_ref()).filter(|seconds| *seconds > 0);
    let done = done.map_or_else(String::new, |seconds| {
        format!(", done in {}", span(seconds))
    });
    Some(format!("oldest {}{done}", span(oldest)))
}

/// Health of a group with its duration, message and advice; empty when unknown, or healthy without advice.
pub fn health_lines(group: &GroupStatus, now: Timestamp) -> Vec<Line> {
    let known = group.state != "Unknown";
    let health = group
        .health
        .as_ref()
        .filter(|health| known && (!is_healthy(health) || health.advice.is_some()));
    let Some(health) = health else {
        return Vec::new();
    };
    let tone = if is_healthy(health) {
        Tone::Good
    } else if HealthState::parse(&health.state).is_some_and(HealthState::is_standstill) {
        Tone::Bad
    } else {
        Tone::Warn
    };
    let since = health
        .since
        .as_ref()
        .and_then(|since| since.parse::<Timestamp>().ok());
    let long = since.map_or_else(String::new, |since| {
        format!(" for {}", span(now.duration_since(since).as_secs().max(0)))
    });
    let mut line = Mark::new(tone, &health.state).line();
    line.push(Tone::Plain, &format!("{long}  {}", health.message));
    let advice = health
        .advice
        .iter()
        .map(|advice| Line::of(Tone::Dim, &format!("  → {advice}")));
    std::iter::once(line).chain(advice).collect()
}

fn is_healthy(health: &HealthStatus) -> bool {
    health.state == HealthState::Healthy.as_str()
}

/// `55 s`, `12 min`, `3 h`, `2 d`: one unit, as status is seconds old.
fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Number of groups of other applications, listed or not.
pub fn other_group_count(status: &PracticeStatus) -> usize {
    let listed = status.other_groups.len();
    status
        .other_group_count
        .and_then(|all| usize::try_from(all).ok())
        .unwrap_or(listed)
        .max(listed)
}

/// Note about groups that status does not list: `… and 25 more`.
pub fn unlisted_other_groups(status: &PracticeStatus) -> Option<String> {
    match (
        other_group_count(status) - status.other_groups.len(),
        status.other_groups.len(),
    ) {
        (0, _) => None,
        (_, 0) => Some("… not listed: status is limited in size".to_owned()),
        (more, _) => Some(format!("… and {more} more")),
    }
}

/// Cells of a group of another application: `2 members   lag 12 at most   orders`.
pub fn other_group_cells(group: &OtherGroupStatus) -> [Line; 5] {
    let members = match group.members {
        Some(members) => Line::plain(&counted(
            usize::try_from(members).unwrap_or_default(),
            "member",
        )),
        None => Line::of(Tone::Warn, "? members"),
    };
    let lag = match group.lag {
        Some(lag) if group.upper_bound => Line::plain(&format!("lag {lag} at most")),
        Some(lag) => Line::plain(&format!("lag {lag}")),
        None => Line::of(Tone::Warn, "lag ?"),
    };
    [
        Line::plain(&group.state),
        Line::of(Tone::Dim, group.protocol.as_deref().unwrap_or("?")),
        members,
        lag,
        Line::of(Tone::Dim, &group.topics.join(", ")),
    ]
}

#[cfg(test)]
mod tests;
