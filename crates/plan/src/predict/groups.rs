//! The changes to each group. In: its plan and the one before, the status of its members, the changes to topics. Out: consumers
//! that start, stop and are idle, each with its reason. Pure. Deliberately absent: how many partitions move (`moves`), and for how
//! long they have no owner (`pause`).

use practice_api::PracticeStatus;
use practice_contract::{Assignor, OffsetReset};
use practice_groups::assign::Topics;

use super::{
    Broker, Count, GroupChange, GroupPrediction, Now, Span, TopicChange, TopicPrediction, counted,
    moves::{moved, seen},
    pause::{Facts, pause},
    rows::{Row, rows},
    topics::counts,
};
use crate::plan::{GroupPlan, Plan};

/// Inputs of the preview of groups.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) after: &'a Plan,
    pub(super) now: Option<&'a Now<'a>>,
    pub(super) status: Option<&'a PracticeStatus>,
    pub(super) topics: &'a [TopicPrediction],
    pub(super) broker: Broker,
}

impl Scene<'_> {
    /// Groups of the manifest, then former groups that it no longer contains.
    pub(super) fn groups(&self) -> Vec<GroupPrediction> {
        let former = self
            .now
            .map(|now| now.plan.groups.as_slice())
            .unwrap_or_default();
        let named = self.after.groups.iter().map(|group| {
            self.group(
                Some(group),
                former.iter().find(|former| former.id == group.id),
            )
        });
        let gone = former
            .iter()
            .filter(|former| !self.after.groups.iter().any(|group| group.id == former.id));
        named
            .chain(gone.map(|former| self.group(None, Some(former))))
            .collect()
    }

    /// At least one of `after` and `before` is set.
    fn group(&self, after: Option<&GroupPlan>, before: Option<&GroupPlan>) -> GroupPrediction {
        let any = after.or(before);
        let name = any.map(|group| group.id.clone()).unwrap_or_default();
        let status = self
            .status
            .and_then(|status| status.groups.iter().find(|group| group.name == name));
        let rows = rows(after, before, status, self.now.map(|now| now.rows));
        let grown = self.grown(after);
        let change = change(after, before, &rows, !grown.is_empty());
        let sum = |of: fn(&Row) -> usize| rows.iter().map(of).sum::<usize>();
        let (from, to) = (sum(|row| row.from), sum(|row| row.to));
        let (starts, stops) = (sum(Row::starts), sum(Row::stops));
        let reads = any.and_then(|group| self.reads(group));
        let (idle, advice) = match after {
            Some(group) if change == GroupChange::Started && is_scaled_elsewhere(group) => {
                (None, None)
            }
            Some(group) => self.idle(group, to),
            None => (Some(Count::default()), None),
        };
        let seen = seen(status, &rows, self.now, self.broker.order);
        let (moves, unknown) = match (&seen, &reads, any) {
            (Ok(members), Some(reads), Some(group)) => (
                Some(moved(
                    change,
                    group,
                    &rows,
                    members,
                    reads,
                    self.broker.order,
                )),
                None,
            ),
            (Err(_), ..) if from == 0 => (Some(Span::default()), None), // no members: nothing can move
            (Err(why), ..) => (None, Some(why.clone())),
            _ => (
                None,
                Some("the partition count of its topics is unknown".to_owned()),
            ),
        };
        let owned = seen
            .as_ref()
            .ok()
            .map(|members| members.iter().map(|member| member.owned.count()).sum());
        let protocol_key = if change == GroupChange::Switched {
            after
        } else {
            before.or(after)
        };
        let pause = protocol_key.and_then(|group| {
            pause(
                Facts {
                    change,
                    group,
                    stops,
                    to,
                    owned,
                    moves: moves.as_ref(),
                },
                self.broker,
            )
        });
        let mut because = because(change, after, before, &rows);
        because.extend(grown);
        because.extend(reset(after, before, to));
        if let Some(status) = status.filter(|status| !status.group_id_owned && to > 0) {
            let held = status.hold.as_ref().map(|hold| &hold.message);
            let why = held
                .or(status.message.as_ref())
                .map_or_else(String::new, |why| format!(" ({why})"));
            because.push(format!(
                "group id not claimed{why}: no consumer starts until it is"
            ));
        }
        GroupPrediction {
            name,
            change,
            from,
            to,
            because,
            starts: Count {
                number: starts,
                why: start(change, after),
            },
            stops: Count {
                number: stops,
                why: stop(change),
            },
            idle,
            advice,
            stays: moves.as_ref().map(stays),
            moves,
            unknown,
            pause,
        }
    }

    /// Topics and partition counts that a group reads afterwards; `None`: a count is unknown.
    fn reads(&self, group: &GroupPlan) -> Option<Topics> {
        let counts = counts(self.topics);
        group
            .topics
            .iter()
            .map(|topic| {
                Some((
                    topic.clone(),
                    counts.get(topic.as_str()).copied().flatten()?,
                ))
            })
            .collect()
    }

    /// Topics of a group that get more partitions.
    fn grown(&self, group: Option<&GroupPlan>) -> Vec<String> {
        let is_read = |topic: &&TopicPrediction| {
            topic.change == TopicChange::Grown
                && group.is_some_and(|group| group.topics.contains(&topic.name))
        };
        let seen = |name: &str| {
            self.status
                .and_then(|status| status.topics.iter().find(|topic| topic.name == name))
        };
        let words = |topic: &TopicPrediction| {
            let from = seen(&topic.name)
                .and_then(|topic| topic.partitions)
                .unwrap_or_default();
            let to = topic.partitions.unwrap_or_default();
            format!(
                "{} {from} → {to} partitions, consumers find them within 10 s",
                topic.name
            )
        };
        self.topics.iter().filter(is_read).map(words).collect()
    }

    /// Idle consumers, and how to give them partitions.
    fn idle(&self, group: &GroupPlan, members: usize) -> (Option<Count>, Option<String>) {
        if members == 0 {
            return (Some(Count::default()), None);
        }
        let Some(reads) = self.reads(group) else {
            return (None, None);
        };
        let (room, because) = room(group.assignor, reads.values().copied());
        let idle = members.saturating_sub(room);
        if idle == 0 {
            return (Some(Count::default()), None);
        }
        let why = format!("{because}, each has one owner in a group");
        let whose = match (group.topics.as_slice(), group.assignor) {
            ([one], _) => format!("{members} partitions of {one}"),
            (_, Assignor::Range) => format!("{members} partitions of one topic"),
            _ => format!("{members} partitions of its topics together"),
        };
        let advice = format!(
            "to use all {members}: {whose} (they cannot be removed again), or {room} consumers"
        );
        (Some(Count { number: idle, why }), Some(advice))
    }
}

/// How many consumers of a group can own partitions, and why no more. (Range assigns each topic by itself, and begins with the
/// same consumer each time.)
pub fn room(assignor: Assignor, partitions: impl Iterator<Item = i32> + Clone) -> (usize, String) {
    let number = |count: i32| usize::try_from(count).unwrap_or(0);
    let (all, largest) = (
        number(partitions.clone().sum()),
        number(partitions.max().unwrap_or(0)),
    );
    if assignor == Assignor::Range && largest < all {
        return (
            largest,
            format!(
                "Range assigns topic by topic, the largest has {}",
                counted(largest, "partition")
            ),
        );
    }
    (all, counted(all, "partition"))
}

fn change(
    after: Option<&GroupPlan>,
    before: Option<&GroupPlan>,
    rows: &[Row],
    grown: bool,
) -> GroupChange {
    let (Some(before), Some(after)) = (before, after) else {
        return if after.is_some() {
            GroupChange::New
        } else {
            GroupChange::Gone
        };
    };
    match (before.stopped, after.stopped) {
        (true, true) => return GroupChange::Stays,
        (false, true) => return GroupChange::Stopped,
        (true, false) => return GroupChange::Started,
        (false, false) => {}
    }
    let is_there = |row: &&Row| row.from + row.to > 0;
    match () {
        () if before.protocol_key() != after.protocol_key() => GroupChange::Switched,
        () if rows.iter().filter(is_there).any(Row::is_replaced) => GroupChange::Rollout,
        () if rows.iter().any(|row| row.from != row.to) => GroupChange::Scaled,
        () if grown => GroupChange::Rebalanced,
        () => GroupChange::Stays,
    }
}

/// Differences in the manifest.
fn because(
    change: GroupChange,
    after: Option<&GroupPlan>,
    before: Option<&GroupPlan>,
    rows: &[Row],
) -> Vec<String> {
    let mut because = Vec::new();
    match (change, before, after) {
        (GroupChange::Switched, Some(before), Some(after)) => {
            because.push(format!(
                "{} → {}",
                before.protocol_key(),
                after.protocol_key()
            ));
        }
        (GroupChange::Rollout | GroupChange::Scaled, ..) => {}
        _ => return because,
    }
    for row in rows {
        let title = if row.variant.is_empty() {
            String::new()
        } else {
            format!("{}: ", row.variant)
        };
        because.extend(
            row.changed_settings
                .iter()
                .map(|setting| format!("{title}{setting}")),
        );
        if row.from != row.to && (rows.len() > 1 || change != GroupChange::Scaled) {
            because.push(format!("{title}{} → {} consumers", row.from, row.to));
        }
    }
    because
}

/// Where a group with `autoOffsetReset: latest` starts, and that a change of the field replaces no consumer.
fn reset(after: Option<&GroupPlan>, before: Option<&GroupPlan>, to: usize) -> Option<String> {
    let after = after?;
    let latest = after.offset_reset == OffsetReset::Latest;
    match before {
        None if latest && to > 0 => Some(
            "autoOffsetReset latest: the end of its topics is committed before the first consumer starts, unless the group has commits; later messages are read, also in partitions that are added"
                .to_owned(),
        ),
        Some(before) if before.offset_reset != after.offset_reset => Some(format!(
            "autoOffsetReset {} → {}: used at the next start of the group without committed offsets, no consumer is replaced",
            before.offset_reset, after.offset_reset
        )),
        Some(before) if latest && before.topics.iter().ne(&after.topics) => {
            let is_added = |topic: &&String| !before.topics.contains(topic);
            let added: Vec<&str> = after.topics.iter().filter(is_added).map(String::as_str).collect();
            (!added.is_empty()).then(|| {
                format!(
                    "{}: read from the oldest message, autoOffsetReset latest is used only when the group starts without committed offsets",
                    added.join(", ")
                )
            })
        }
        _ => None,
    }
}

/// Whether `replicas` of at least one row is not set, so an autoscaler decides.
fn is_scaled_elsewhere(group: &GroupPlan) -> bool {
    group.rows.iter().any(|row| row.replicas.is_none())
}

fn start(change: GroupChange, after: Option<&GroupPlan>) -> String {
    let elsewhere = after.is_some_and(is_scaled_elsewhere);
    match change {
        GroupChange::New if elsewhere => {
            "replicas is not set: the group starts with 1, then an autoscaler decides".to_owned()
        }
        GroupChange::Rollout => "they replace consumers that stop, a few at a time".to_owned(),
        GroupChange::Switched => "after all members have stopped".to_owned(),
        GroupChange::Started if elsewhere => {
            "at least: the number before it was stopped, which status does not contain".to_owned()
        }
        GroupChange::Started => "as many as before, from the committed offsets".to_owned(),
        _ => String::new(),
    }
}

fn stop(change: GroupChange) -> String {
    match change {
        GroupChange::Rollout => "each leaves its group as soon as it is terminated".to_owned(),
        GroupChange::Switched => "all, before new ones start".to_owned(),
        GroupChange::Gone | GroupChange::Stopped => "its committed offsets stay".to_owned(),
        _ => String::new(),
    }
}

fn stays(moves: &Span) -> Span {
    Span {
        least: moves.of - moves.most,
        most: moves.of - moves.least,
        of: moves.of,
        why: String::new(),
    }
}
