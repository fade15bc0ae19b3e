//! What state things are in, as a glyph, a word and a tone. Pure. In: conditions and groups of a status, the time. Out: marks,
//! and the sentences that have to be read. The one place that judges; everything that is printed takes its words from here.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use practice_api::{
    ConsumerGroupPractice, DesiredState, PracticeStatus,
    spec::Group,
    status::{GroupStatus, OtherGroupStatus, OwnedPartition},
};
use practice_groups::HealthState;

use crate::text::{Line, Tone, counted};

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

/// A practice as a whole.
pub fn of_practice(practice: &ConsumerGroupPractice) -> Mark {
    if practice.metadata.deletion_timestamp.is_some() {
        return Mark::new(Tone::Warn, "Deleting");
    }
    let Some(status) = &practice.status else {
        return Mark::new(Tone::Warn, "not looked at yet");
    };
    match status.condition("Ready").map(|ready| ready.status.as_str()) {
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
    let mut lines: Vec<Line> = deleting(practice).into_iter().collect();
    let Some(status) = &practice.status else {
        let what = "the operator has not looked at it: is one there? kubectl cgp check";
        lines.push(Line::of(Tone::Warn, "⚠ ").and(Tone::Plain, what));
        return lines;
    };
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
    // whoever deletes it changes its generation, too
    let is_deleted = practice.metadata.deletion_timestamp.is_some();
    if !is_deleted
        && practice.metadata.generation.is_some()
        && status.observed_generation != practice.metadata.generation
    {
        let what = "the manifest has changed and the operator has not looked at it since: this is how it was before";
        lines.push(Line::of(Tone::Warn, "⚠ ").and(Tone::Plain, what));
    }
    lines
}

/// That a practice is being deleted, and what it waits for.
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
        format!("; waits for {waits}, its Events say why")
    };
    let what = format!("being deleted since {since}: what is below is how it was then{waits}");
    Some(Line::of(Tone::Warn, "⚠ ").and(Tone::Plain, &what))
}

/// Members come and go, and Kafka is handing out partitions anew.
pub fn is_rebalancing(group: &GroupStatus) -> bool {
    matches!(
        group.state.as_str(),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling"
    )
}

/// A group. `wanted` is its manifest.
pub fn of_group(group: &GroupStatus, wanted: Option<&Group>) -> Mark {
    let stopped = wanted.is_some_and(|wanted| wanted.state == DesiredState::Stopped);
    match group.state.as_str() {
        _ if !group.group_id_owned => Mark::new(Tone::Bad, "GroupIdNotOwned"),
        "Stable" if group.ready_replicas < group.replicas => Mark::new(Tone::Warn, "Stable"),
        "Stable" => Mark::new(Tone::Good, "Stable"),
        "Empty" | "Absent" if stopped => Mark::new(Tone::Dim, "Stopped"),
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
    format!(
        "{there}/{} consumer{}",
        group.replicas,
        if group.replicas == 1 { "" } else { "s" }
    )
}

/// Why a group's lag is not known, and since when.
pub fn lag_unknown_because(status: &PracticeStatus, group: &GroupStatus) -> String {
    let since = group
        .unknown_since
        .as_ref()
        .map_or_else(String::new, |since| format!(", since {since}"));
    format!("{}{since}", unknown_because(status, group))
}

fn unknown_because(status: &PracticeStatus, group: &GroupStatus) -> String {
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
        [] => "a partition that no consumer has cannot be read".to_owned(),
        [one] => format!("{one} cannot be read"),
        [one, rest @ ..] => format!("{one} and {} more cannot be read", rest.len()),
    }
}

/// What stands behind a lag that is not simply end minus committed; nothing where nothing has to be said.
pub fn lag_remark(owned: &OwnedPartition) -> Option<String> {
    let because = owned
        .lag_reason
        .as_deref()
        .or_else(|| owned.lag.is_none().then_some("Unknown"))?;
    Some(match because {
        // of an empty partition there is nothing to commit
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
            format!("{lost} deleted before they were read")
        }
        "Stale" => "committed beyond the end: nothing to read until the group is reset".to_owned(),
        "Recreated" => "the topic was made anew, the commit is of the former one".to_owned(),
        "Unknown" => match &owned.unknown_since {
            Some(since) => format!("cannot be read since {since}"),
            None => "cannot be read".to_owned(),
        },
        other => other.to_owned(),
    })
}

/// How many partitions status counts and does not list.
pub fn cut(listed: &[OwnedPartition], count: i32) -> usize {
    usize::try_from(count)
        .unwrap_or_default()
        .saturating_sub(listed.len())
}

/// What is said of them: `and 4 more`, or `4 partitions, not listed` where there is none before.
pub fn unlisted(listed: &[OwnedPartition], count: i32) -> Option<String> {
    match cut(listed, count) {
        0 => None,
        more if listed.is_empty() => Some(format!("{}, not listed", counted(more, "partition"))),
        more => Some(format!("and {more} more")),
    }
}

/// How old the oldest message is that nobody has handled, and when all will be: `oldest 55 s, done in 2 min`. Status says
/// since when and until when; what should be done by now and is not is no promise any more.
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
    // clocks differ: nothing is younger than new
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

/// What is the matter with how a group gets on, for how long, and what to do about it; nothing when it gets on, or is not known.
pub fn health(group: &GroupStatus, now: Timestamp) -> Vec<Line> {
    let known = group.state != "Unknown";
    let health = group
        .health
        .as_ref()
        .filter(|health| known && health.state != HealthState::Healthy.word());
    let Some(health) = health else {
        return Vec::new();
    };
    let tone = if HealthState::of(&health.state).is_some_and(HealthState::is_standstill) {
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

/// `55 s`, `12 min`, `3 h`, `2 d`: no more exact than it is known.
fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Groups of other applications, also those that are not listed.
pub fn foreigners(status: &PracticeStatus) -> usize {
    let listed = status.other_groups.len();
    status
        .other_group_count
        .and_then(|all| usize::try_from(all).ok())
        .unwrap_or(listed)
        .max(listed)
}

/// How many of them are not listed: `… and 25 more`.
pub fn foreigners_unlisted(status: &PracticeStatus) -> Option<String> {
    match (
        foreigners(status) - status.other_groups.len(),
        status.other_groups.len(),
    ) {
        (0, _) => None,
        (_, 0) => Some("… not listed: status does not hold all".to_owned()),
        (more, _) => Some(format!("… and {more} more")),
    }
}

/// A group of another application: `2 members   lag 12 at most   orders`.
pub fn of_others(group: &OtherGroupStatus) -> [Line; 5] {
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
mod tests {
    use super::*;

    #[test]
    fn an_age_grows_and_a_promise_shrinks() {
        let group = |lag: Option<i64>, since: Option<&str>, done: Option<&str>| GroupStatus {
            lag,
            oldest_since: since.map(str::to_owned),
            done_at: done.map(str::to_owned),
            ..GroupStatus::default()
        };
        let (noon, soon) = (Some("2026-11-25T12:00:00Z"), Some("2026-11-25T12:21:40Z"));
        let rows = [
            (
                "2026-11-25T12:00:55Z",
                Some(6),
                noon,
                None,
                Some("oldest 55 s"),
            ),
            (
                "2026-11-25T12:01:40Z",
                Some(6),
                noon,
                soon,
                Some("oldest 100 s, done in 20 min"),
            ),
            (
                "2026-11-25T12:21:39Z",
                Some(6),
                noon,
                soon,
                Some("oldest 21 min, done in 1 s"),
            ),
            (
                "2026-11-25T12:21:40Z",
                Some(6),
                noon,
                soon,
                Some("oldest 21 min"),
            ),
            (
                "2026-11-27T12:00:00Z",
                Some(6),
                noon,
                soon,
                Some("oldest 2 d"),
            ),
            (
                "2026-11-25T11:59:58Z",
                Some(6),
                noon,
                None,
                Some("oldest 0 s"),
            ),
            ("2026-11-25T12:00:55Z", Some(0), noon, soon, None),
            ("2026-11-25T12:00:55Z", None, noon, soon, None),
            ("2026-11-25T12:00:55Z", Some(6), None, soon, None),
            (
                "2026-11-25T12:00:55Z",
                Some(6),
                Some("yesterday"),
                soon,
                None,
            ),
        ];
        for (now, lag, since, done, expected) in rows {
            let now: Timestamp = now.parse().expect("it is a time");
            assert_eq!(
                age(&group(lag, since, done), now).as_deref(),
                expected,
                "{now}, {lag:?}, {since:?}, {done:?}"
            );
        }
    }
}
