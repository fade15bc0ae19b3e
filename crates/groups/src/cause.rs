//! Why a group rebalanced. Pure. In: who joined and left (`journal`), and what was seen of the group's instances, of how many
//! were wanted, and of holds. Out: a cause with a sentence; or nothing yet, while a fact may still be on its way. Where a fact
//! is missing the answer is `Unknown` or says less: it is never a guess. Deliberately absent: where the facts come from.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Serialize,
    de::{self, IntoDeserializer},
};

use crate::{
    model::Partition,
    witness::{Hold, Instance, Removal, Runtime, Witness, differs},
};

/// A container's end is reported within this time, also by a kubelet that has to try twice: only then is a silent member
/// called frozen.
const REPORTED: i64 = 12_000;
/// Whoever ended without a word is put out of its group within this time.
const LINGERS: i64 = 120_000;
/// Longest wait for a fact that is on its way, all in milliseconds.
const PATIENCE: i64 = 15_000;
/// Two facts of one decision are seen this far apart, in either order.
const SLACK: i64 = 5_000;
/// A controller replaces an instance within this time.
const AT_ONCE: i64 = 2_000;
/// A replacement comes within this time at the latest, and an old revision goes within it.
const REPLACED: i64 = 60_000;

/// Why a group rebalanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Cause {
    /// A container was killed at its memory limit; Kubernetes' own word.
    #[serde(rename = "OOMKilled")]
    OomKilled,
    /// A container exited by itself.
    ContainerExited,
    /// A pod had to leave its node.
    Evicted,
    /// A member did not answer within its session timeout, and its process runs.
    SessionTimedOut,
    /// The spec stopped the group, or its consumers may not use the group id any more.
    StoppedBySpec,
    /// The spec started the group, or its consumers may use the group id now.
    StartedBySpec,
    /// The spec changed protocol or assignor: all members stop before others start.
    ReconfiguredBySpec,
    /// The topics that the group reads changed.
    TopicsChanged,
    /// The pods of a Deployment were replaced by others made from a changed template.
    Rollout,
    /// Somebody deleted a pod.
    PodDeleted,
    /// Fewer consumers are wanted.
    ScaledDown,
    /// More consumers are wanted.
    ScaledUp,
    /// A topic has more partitions.
    PartitionsAdded,
    /// Nobody saw why.
    Unknown,
}

impl Cause {
    /// Every one.
    pub const ALL: [Self; 14] = [
        Self::OomKilled,
        Self::ContainerExited,
        Self::Evicted,
        Self::SessionTimedOut,
        Self::StoppedBySpec,
        Self::StartedBySpec,
        Self::ReconfiguredBySpec,
        Self::TopicsChanged,
        Self::Rollout,
        Self::PodDeleted,
        Self::ScaledDown,
        Self::ScaledUp,
        Self::PartitionsAdded,
        Self::Unknown,
    ];

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::OomKilled => "OOMKilled",
            Self::ContainerExited => "ContainerExited",
            Self::Evicted => "Evicted",
            Self::SessionTimedOut => "SessionTimedOut",
            Self::StoppedBySpec => "StoppedBySpec",
            Self::StartedBySpec => "StartedBySpec",
            Self::ReconfiguredBySpec => "ReconfiguredBySpec",
            Self::TopicsChanged => "TopicsChanged",
            Self::Rollout => "Rollout",
            Self::PodDeleted => "PodDeleted",
            Self::ScaledDown => "ScaledDown",
            Self::ScaledUp => "ScaledUp",
            Self::PartitionsAdded => "PartitionsAdded",
            Self::Unknown => "Unknown",
        }
    }

    /// The cause of that name.
    pub fn named(word: &str) -> Option<Self> {
        Self::deserialize(word.into_deserializer())
            .map_err(|_: de::value::Error| ())
            .ok()
    }

    /// What happened, of no consumer in particular: `a consumer's container exited`.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::OomKilled => "a consumer was OOM-killed",
            Self::ContainerExited => "a consumer's container exited",
            Self::Evicted => "a consumer's pod was evicted",
            Self::SessionTimedOut => "a consumer did not answer within its session timeout",
            Self::StoppedBySpec => "the spec stopped the group",
            Self::StartedBySpec => "the spec started the group",
            Self::ReconfiguredBySpec => "the spec changed protocol or assignor",
            Self::TopicsChanged => "the group's topics changed",
            Self::Rollout => "a rollout replaced its pods",
            Self::PodDeleted => "a consumer was deleted",
            Self::ScaledDown => "the group was scaled down",
            Self::ScaledUp => "the group was scaled up",
            Self::PartitionsAdded => "partitions were added to a topic",
            Self::Unknown => "cause unknown",
        }
    }

    /// Whether somebody should look.
    pub fn is_trouble(self) -> bool {
        matches!(
            self,
            Self::OomKilled | Self::ContainerExited | Self::SessionTimedOut
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why a rebalance was, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The cause; the gravest, should there be several.
    pub cause: Cause,
    /// `ContainerExited`, `OomKilled`: what the process ended with; above 128: the signal and 128.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// One sentence for each cause.
    pub sentence: String,
    /// What to do about it, where there is something to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Explained {
    /// Nobody saw why; `because` says what is missing.
    pub fn unknown(because: &str) -> Self {
        let sentence = format!("Why is not known: {because}.");
        Self {
            cause: Cause::Unknown,
            exit_code: None,
            sentence,
            advice: None,
        }
    }
}

/// Who joined and left in one rebalance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The rebalance's number.
    pub number: u64,
    /// When it was noticed, as a tick.
    pub noticed: i64,
    /// Whether there was a time before it in which nobody could look.
    pub blind: bool,
    /// New members, by client id.
    pub joined: Vec<Who>,
    /// Members that are gone, by client id.
    pub left: Vec<Who>,
    /// Partitions that got their first owner and come after all that had one.
    pub added: Vec<Partition>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// Its client id: the name of its instance.
    pub client: String,
    /// When it was first seen in the group, as a tick; `i64::MIN`: before anybody looked.
    pub since: i64,
    /// The same of the member of its client id that there was before it; `None`: there was none.
    pub former: Option<i64>,
}

/// What is found out about one member.
enum Finding {
    Is(Cause, Option<i32>),
    /// A fact may still come.
    Open,
}

/// The cause of a change; `None`: to be asked again, facts may be on their way.
pub fn cause(change: &Change, group: &str, witness: &Witness, now: i64) -> Option<Explained> {
    let (waited, patience) = (now - change.noticed, now - change.noticed < PATIENCE);
    let scene = Case {
        group,
        witness,
        waited,
        change,
    };
    let mut found: Vec<(Cause, Option<i32>, &str, bool)> = Vec::new();
    for (who, came) in change
        .left
        .iter()
        .map(|who| (who, false))
        .chain(change.joined.iter().map(|who| (who, true)))
    {
        match if came {
            scene.joined(who)
        } else {
            scene.left(who)
        } {
            Finding::Is(cause, code) => found.push((cause, code, &who.client, came)),
            Finding::Open if patience => return None,
            Finding::Open => found.push((Cause::Unknown, None, &who.client, came)),
        }
    }
    let causes: BTreeSet<Cause> = found.iter().map(|(cause, ..)| *cause).collect();
    let Some(gravest) = causes.first().copied() else {
        return Some(without_members(change));
    };
    let known: Vec<Cause> = causes
        .iter()
        .copied()
        .filter(|cause| *cause != Cause::Unknown)
        .collect();
    if known.is_empty() {
        return Some(Explained::unknown(
            "nobody saw what became of its consumers",
        ));
    }
    let sentence = |cause: &Cause| {
        let who = |wanted: bool| -> Vec<&str> {
            let of = found
                .iter()
                .filter(|(other, _, _, came)| other == cause && *came == wanted);
            of.map(|(_, _, client, _)| *client).collect()
        };
        let code = found
            .iter()
            .filter(|(other, ..)| other == cause)
            .find_map(|(_, code, ..)| *code);
        scene.sentence(*cause, code, &who(false), &who(true))
    };
    let code = found
        .iter()
        .filter(|(cause, ..)| *cause == gravest)
        .find_map(|(_, code, ..)| *code);
    let first = found
        .iter()
        .find(|(cause, ..)| *cause == gravest)
        .map(|(_, _, client, _)| *client)
        .unwrap_or_default();
    Some(Explained {
        cause: gravest,
        exit_code: code,
        sentence: known.iter().map(sentence).collect::<Vec<_>>().join(" "),
        advice: advice(gravest, first, witness.home()),
    })
}

/// Nobody joined or left.
fn without_members(change: &Change) -> Explained {
    let Some((topic, last)) = change.added.last() else {
        return Explained::unknown("nobody joined, nobody left, and no topic grew");
    };
    let count = change.added.len();
    let s = if count == 1 { " is" } else { "s are" };
    let sentence = format!("{count} new partition{s} read, up to {topic}/{last}.");
    Explained {
        cause: Cause::PartitionsAdded,
        exit_code: None,
        sentence,
        advice: None,
    }
}

struct Case<'a> {
    group: &'a str,
    witness: &'a Witness,
    /// Since the rebalance was noticed.
    waited: i64,
    change: &'a Change,
}

impl Case<'_> {
    fn left(&self, who: &Who) -> Finding {
        let Some(instance) = self.witness.instance(&who.client) else {
            return Finding::Open;
        };
        // a member of one that had this name before
        if (i64::MIN + 1..instance.created).contains(&who.since) {
            return Finding::Open;
        }
        if let Some(cause) = instance.changed_since(who.since) {
            return Finding::Is(cause, None);
        }
        let until = instance.removal.map_or(i64::MAX, |(at, _)| at);
        match (self.ended(instance, who.since, until), instance.removal) {
            (Some(end), _) => end, // before it was asked to go
            (None, Some((_, Removal::Evicted))) => Finding::Is(Cause::Evicted, None),
            (None, Some((at, Removal::Asked))) => self.removed(instance, at),
            (None, Some((_, Removal::Unseen))) => Finding::Open,
            (None, None) => self.silent(),
        }
    }

    /// The end of a member's process, if that is what ended the member.
    fn ended(&self, instance: &Instance, since: i64, until: i64) -> Option<Finding> {
        let recent = since.max(self.change.noticed - LINGERS);
        if let Some(end) = instance.end_within(recent, until) {
            return Some(Finding::Is(end.cause(), end.code()));
        }
        // one that is too old to be sure of, or that was seen a moment before the member was
        let early = since
            .saturating_sub(SLACK)
            .max(self.change.noticed - LINGERS);
        let unsure = instance
            .end_within(early, until)
            .or_else(|| instance.end_within(since, until));
        unsure
            .filter(|_| instance.removal.is_none())
            .map(|_| Finding::Open)
    }

    /// Nothing has ended it, as far as is known.
    fn silent(&self) -> Finding {
        let sure = !self.change.blind && self.waited >= REPORTED;
        if sure {
            Finding::Is(Cause::SessionTimedOut, None)
        } else {
            Finding::Open
        }
    }

    /// Somebody asked an instance to go.
    fn removed(&self, instance: &Instance, at: i64) -> Finding {
        // a hold that was over when it came has not ended it
        if self.witness.is_held(
            self.group,
            (at - SLACK).max(instance.created + 1),
            at + SLACK,
        ) {
            return Finding::Is(self.by_spec(Cause::StoppedBySpec), None);
        }
        let others = self.witness.others(&instance.sight.row, instance);
        let heirs = others.filter(|heir| heir.created > instance.created);
        if self.witness.is_too_many(instance, at, SLACK, REPLACED) {
            return Finding::Is(Cause::ScaledDown, None);
        }
        // a controller replaces at once, and by one of the same kind, what somebody else deleted
        let replaces = |heir: &Instance| {
            let at_once = heir.witnessed && (at..=at + AT_ONCE).contains(&heir.created);
            at_once && differs(&instance.sight, &heir.sight).is_none()
        };
        if heirs.clone().any(replaces) {
            return Finding::Is(Cause::PodDeleted, None);
        }
        let there = |heir: &&Instance| heir.removal.is_none_or(|(gone, _)| gone >= at - REPLACED);
        let changed = heirs
            .filter(there)
            .find_map(|heir| differs(&instance.sight, &heir.sight));
        changed.map_or(Finding::Open, |changed| Finding::Is(changed, None))
    }

    /// The cause where a hold of the group began or ended.
    fn by_spec(&self, begun_or_ended: Cause) -> Cause {
        match self.witness.last_hold(self.group) {
            Some(Hold::Switching) => Cause::ReconfiguredBySpec,
            Some(Hold::Stopped | Hold::Unclaimed) | None => begun_or_ended,
        }
    }

    fn joined(&self, who: &Who) -> Finding {
        let Some(instance) = self.witness.instance(&who.client) else {
            return Finding::Open;
        };
        // one of that name that was there before it is another one
        let former = who
            .former
            .filter(|since| *since == i64::MIN || *since >= instance.created);
        if let Some(cause) = former.and_then(|former| instance.changed_since(former)) {
            return Finding::Is(cause, None);
        }
        if former.is_none() && instance.witnessed {
            return self.created(instance);
        }
        match self.ended(instance, former.unwrap_or(i64::MIN), i64::MAX) {
            Some(end) => end,
            None if former.is_some() => self.silent(),
            None => Finding::Open, // it was there before anybody looked
        }
    }

    /// Why there is a new instance.
    fn created(&self, instance: &Instance) -> Finding {
        let at = instance.created;
        if let Some((wanted, from_none)) = self.witness.is_addition(instance, SLACK, REPLACED) {
            let held = from_none && self.witness.is_held(self.group, wanted - SLACK, wanted);
            return Finding::Is(
                if held {
                    self.by_spec(Cause::StartedBySpec)
                } else {
                    Cause::ScaledUp
                },
                None,
            );
        }
        let others = self.witness.others(&instance.sight.row, instance);
        // a controller replaces what goes at once, by one of the template of now
        let went = |since: i64| {
            let went = others
                .clone()
                .filter_map(|other| Some((other, other.removal?)));
            went.filter(move |(_, (gone, _))| (since..=at + SLACK / 5).contains(gone))
                .max_by_key(|(_, (gone, _))| *gone)
        };
        let replaced = went(at - AT_ONCE)
            .filter(|(other, _)| differs(&other.sight, &instance.sight).is_none());
        if replaced.is_none() {
            let there = |other: &&Instance| {
                other
                    .removal
                    .is_none_or(|(gone, _)| gone >= at - REPLACED / 2)
            };
            let mut elders = others
                .clone()
                .filter(|other| other.created < at)
                .filter(there);
            if let Some(changed) = elders.find_map(|old| differs(&old.sight, &instance.sight)) {
                return Finding::Is(changed, None);
            }
        }
        match replaced.or_else(|| went(at - REPLACED)) {
            Some((_, (_, Removal::Evicted))) => Finding::Is(Cause::Evicted, None),
            Some((_, (_, Removal::Asked))) => Finding::Is(Cause::PodDeleted, None),
            Some((_, (_, Removal::Unseen))) | None => Finding::Open,
        }
    }

    fn sentence(&self, cause: Cause, code: Option<i32>, left: &[&str], joined: &[&str]) -> String {
        let (old, new, any) = (
            list(left),
            list(joined),
            list(if left.is_empty() { joined } else { left }),
        );
        let be = |names: &[&str]| if names.len() == 1 { "was" } else { "were" };
        let is = if left.is_empty() {
            be(joined)
        } else {
            be(left)
        };
        let after = if left.is_empty() && !joined.is_empty() {
            format!(" {new} took the place.")
        } else {
            String::new()
        };
        let pair = |verb: &str| match (left.is_empty(), joined.is_empty()) {
            (false, false) => format!("{verb}: {new} replaced {old}."),
            (false, true) => format!("{verb}: {old} left."),
            (true, _) => format!("{verb}: {new} joined."),
        };
        match cause {
            Cause::ScaledUp => format!("Scaled up: {new} {} added.", be(joined)),
            Cause::ScaledDown => format!("Scaled down: {old} {} removed.", be(left)),
            Cause::Rollout => pair("A rollout: the pod template changed"),
            Cause::TopicsChanged => pair("The topics of the group changed"),
            Cause::ReconfiguredBySpec => pair(
                "The spec changed protocol or assignor, and members that differ in it cannot share a group",
            ),
            Cause::StoppedBySpec => match self.witness.last_hold(self.group) {
                Some(Hold::Unclaimed) => format!(
                    "The group's consumers may not use the group id with the present spec: {old} left."
                ),
                _ => format!("The spec stopped the group: {old} left."),
            },
            Cause::StartedBySpec => match self.witness.last_hold(self.group) {
                Some(Hold::Unclaimed) => {
                    pair("The group's consumers waited until they might use the group id")
                }
                _ => pair("The spec started the group"),
            },
            Cause::ContainerExited => {
                let with = code.map_or_else(String::new, |code| {
                    format!(" with code {code}{}", signal(code))
                });
                format!("{any} exited{with}.{}", comes_back(left, joined))
            }
            Cause::OomKilled => {
                format!(
                    "{any} {is} OOM-killed (memory limit exceeded).{}",
                    comes_back(left, joined)
                )
            }
            Cause::Evicted if left.is_empty() => format!("A pod was evicted.{after}"),
            Cause::Evicted => {
                format!(
                    "{old} {is} evicted from {} node.",
                    if left.len() == 1 { "its" } else { "their" }
                )
            }
            Cause::PodDeleted if left == joined => format!("{old} {is} restarted."),
            Cause::PodDeleted if left.is_empty() => format!("A consumer was deleted.{after}"),
            Cause::PodDeleted => format!("{old} {is} deleted."),
            Cause::SessionTimedOut if left.is_empty() => {
                format!("{new} answers again and came back.")
            }
            Cause::SessionTimedOut => {
                let back = if joined.is_empty() {
                    ""
                } else {
                    " It came back."
                };
                format!(
                    "{old} did not answer within the session timeout, and Kafka gave up waiting.{back}"
                )
            }
            Cause::PartitionsAdded | Cause::Unknown => String::new(),
        }
    }
}

/// The signal in an exit code, as shells and container runtimes put it there.
fn signal(code: i32) -> &'static str {
    match code {
        134 => " (SIGABRT)",
        137 => " (SIGKILL)",
        139 => " (SIGSEGV)",
        143 => " (SIGTERM)",
        _ => "",
    }
}

/// A crash is told twice when its process comes back before Kafka gives up the one that ended.
fn comes_back(left: &[&str], joined: &[&str]) -> &'static str {
    match (left.is_empty(), joined.is_empty()) {
        (true, _) => " It is back.",
        (false, false) => " It came back.",
        (false, true) => "",
    }
}

fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    }
}

fn advice(cause: Cause, who: &str, home: Runtime) -> Option<String> {
    let last_lines = match home {
        Runtime::Cluster => format!("kubectl logs --previous {who}"),
        Runtime::Local => format!("practice-local logs {who}"),
    };
    match cause {
        Cause::ContainerExited => Some(format!("Its last lines may say why: {last_lines}")),
        Cause::OomKilled => Some(match home {
            Runtime::Cluster => {
                "Give workers more memory: chart value worker.resources, which replaces the default as a whole"
                    .to_owned()
            }
            Runtime::Local => "Something on this machine ended it for its memory".to_owned(),
        }),
        Cause::SessionTimedOut => {
            let what = "Look whether the process stands still or the network is broken";
            Some(match home {
                Runtime::Cluster => format!("{what}: kubectl describe pod {who}"),
                Runtime::Local => format!("{what}: practice-local status"),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
