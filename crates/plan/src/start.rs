//! Where a group with `autoOffsetReset: latest` starts. Its consumers run with `earliest`; before the first of them starts, the
//! operator commits the end of its topics (it pins the start), so that every later message is consumed, also in partitions and topics
//! that are added later. In: a group's plan, a poll, the status before. Out: the offsets to commit. Pure.

use std::collections::BTreeMap;

use practice_api::PracticeStatus;
use practice_contract::OffsetReset;
use practice_groups::{Partition, Snapshot, TopicSeen};

use crate::plan::GroupPlan;

/// What has to be done before consumers of a group start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupStart {
    /// Nothing.
    Pinned,
    /// Commit these: `Latest` stands for the last stable offset, `Earliest` for the start of the log.
    Pin(BTreeMap<Partition, OffsetReset>),
    /// The start cannot be pinned yet; the subject of what is waited for.
    Waits(String),
}

/// The start of a group. `before`: the status before, on the same Kafka, if the practice owned the group id in it. `at_rest`: no
/// consumer of it runs or is about to.
///
/// A group whose id is new to the practice is pinned in every topic in which it has no commit. A partition without a commit in a topic
/// with commits was added later: it starts at its beginning. A group that the practice owns already is pinned again only without any
/// commit: they expired, or were deleted, while it had no members; or its topics were, and those that replace them start at their
/// beginning.
pub fn group_start(
    group: &GroupPlan,
    snapshot: Option<&Snapshot>,
    before: Option<&PracticeStatus>,
    at_rest: bool,
) -> GroupStart {
    if group.offset_reset != OffsetReset::Latest || (before.is_some() && !at_rest) {
        return GroupStart::Pinned;
    }
    let seen = snapshot.and_then(|snapshot| snapshot.group(&group.id));
    let Some((snapshot, seen, commits)) = snapshot
        .zip(seen)
        .and_then(|(snapshot, seen)| Some((snapshot, seen, seen.committed.as_ref()?)))
    else {
        return if group.stopped {
            GroupStart::Pinned
        } else {
            GroupStart::Waits("for Kafka to report its commits".to_owned())
        };
    };
    let has_commits = |topic: &String| commits.topics().any(|committed| committed == topic);
    let is_pinned = before.is_some() && group.topics.iter().any(has_commits);
    if is_pinned || !seen.members.is_empty() {
        return GroupStart::Pinned;
    }
    let status = before
        .into_iter()
        .flat_map(|before| &before.groups)
        .find(|status| status.name == group.id);
    let former_topics = status.map_or(&[][..], |status| &status.committed_topic_ids);
    let mut starts = BTreeMap::new();
    let mut missing = Vec::new();
    for topic in &group.topics {
        let facts = match snapshot.topics.get(topic) {
            _ if has_commits(topic) => continue,
            Some(TopicSeen::Present(facts)) => facts,
            Some(TopicSeen::Missing) => {
                missing.push(topic.as_str());
                continue;
            }
            Some(TopicSeen::Unknown(_)) | None if group.stopped => continue,
            Some(TopicSeen::Unknown(why)) => {
                return GroupStart::Waits(format!("for topic {topic}: {why}"));
            }
            None => return GroupStart::Waits(format!("for Kafka to report topic {topic}")),
        };
        let start = match former_topics {
            [] => OffsetReset::Latest,
            // it was created after the start of the group
            known if !known.contains(&facts.id) => OffsetReset::Earliest,
            // its commits expired, or were deleted; the group is not about to start
            _ if group.stopped => continue,
            _ => OffsetReset::Latest,
        };
        let numbers = (0..).take(facts.partitions.len());
        starts.extend(numbers.map(|number| ((topic.clone(), number), start)));
    }
    let any_commit = group.topics.iter().any(has_commits);
    match missing.as_slice() {
        // a topic that is created after the start of the group starts at its beginning
        [first, ..] if starts.is_empty() && !any_commit && !group.stopped => {
            GroupStart::Waits(format!("for topic {first} to exist"))
        }
        _ if starts.is_empty() => GroupStart::Pinned,
        _ => GroupStart::Pin(starts),
    }
}

#[cfg(test)]
mod tests {
    use practice_api::status::GroupStatus;
    use practice_groups::{
        Bounds, ByPartition, Committed, GroupSeen, GroupState, KafkaError, MemberSeen, TopicFacts,
    };
    use serde_json::json;

    use super::*;
    use crate::testing::{at, plan_of, two_groups};

    /// A poll of topics with an id and a number of partitions each, and of group `g` with these commits.
    fn poll(topics: &[(&str, &str, usize)], commits: &[(&str, i32)]) -> Snapshot {
        let bounds = Bounds { start: 3, end: 10 };
        let topics = topics.iter().map(|(name, id, partitions)| {
            let facts = TopicFacts {
                id: (*id).to_owned(),
                partitions: vec![Some(bounds); *partitions],
                ..TopicFacts::default()
            };
            let seen = if id.is_empty() {
                TopicSeen::Missing
            } else {
                TopicSeen::from(facts)
            };
            ((*name).to_owned(), seen)
        });
        let commits = commits.iter().map(|(topic, number)| {
            let committed = Committed {
                offset: 5,
                metadata: "".into(),
            };
            (((*topic).to_owned(), *number), committed)
        });
        let group = GroupSeen {
            state: GroupState::Empty,
            committed: Some(commits.collect()),
            ..GroupSeen::default()
        };
        Snapshot {
            topics: topics.collect(),
            groups: [("g".to_owned(), group.into())].into(),
            ..Snapshot::default()
        }
    }

    fn group(spec: serde_json::Value) -> GroupPlan {
        let mut group = json!({"name": "g", "autoOffsetReset": "latest"});
        for (key, value) in spec.as_object().expect("fields") {
            group[key] = value.clone();
        }
        let topics = json!([{"name": "t"}, {"name": "u"}]);
        plan_of(json!({"topics": topics, "groups": [group]})).groups[0].clone()
    }

    fn starts(list: &[(&str, i32, OffsetReset)]) -> GroupStart {
        let each = list
            .iter()
            .map(|(topic, number, start)| (((*topic).to_owned(), *number), *start));
        GroupStart::Pin(each.collect())
    }

    /// A status in which the group has had commits in topics with these ids.
    fn status(ids: &[&str]) -> PracticeStatus {
        let group = GroupStatus {
            name: "g".to_owned(),
            group_id_owned: true,
            committed_topic_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..GroupStatus::default()
        };
        PracticeStatus {
            groups: vec![group],
            ..PracticeStatus::default()
        }
    }

    use OffsetReset::{Earliest, Latest};

    #[test]
    fn a_new_group_id_is_pinned_in_each_topic_without_commits() {
        let latest = group(json!({}));
        let first = |snapshot: &Snapshot| group_start(&latest, Some(snapshot), None, true);
        let both = [("t", "1", 2), ("u", "2", 1)];
        assert_eq!(
            first(&poll(&both, &[])),
            starts(&[("t", 0, Latest), ("t", 1, Latest), ("u", 0, Latest)])
        );
        assert_eq!(
            first(&poll(&both, &[("t", 1)])),
            starts(&[("u", 0, Latest)]),
            "t/0 was added later"
        );
        assert_eq!(
            first(&poll(&both, &[("t", 1), ("u", 0)])),
            GroupStart::Pinned
        );
        let one = [("t", "1", 1), ("u", "", 0)];
        assert_eq!(first(&poll(&one, &[])), starts(&[("t", 0, Latest)]));
        assert_eq!(first(&poll(&one, &[("t", 0)])), GroupStart::Pinned);
        assert_eq!(
            first(&poll(&[("t", "", 0), ("u", "", 0)], &[])),
            GroupStart::Waits("for topic t to exist".into())
        );
        let earliest = group(json!({"autoOffsetReset": "earliest"}));
        let start = group_start(&earliest, Some(&poll(&both, &[])), None, true);
        assert_eq!(start, GroupStart::Pinned);
        let stopped = group(json!({"state": "Stopped"}));
        let start = |snapshot: Snapshot| group_start(&stopped, Some(&snapshot), None, true);
        assert_eq!(start(poll(&one, &[])), starts(&[("t", 0, Latest)]));
        assert_eq!(
            start(poll(&[("t", "", 0), ("u", "", 0)], &[])),
            GroupStart::Pinned,
            "a topic that is created later is read from its beginning"
        );
        let mut busy = poll(&both, &[]);
        let member = MemberSeen {
            member_id: "m".into(),
            client_id: "c".into(),
            host: String::new(),
            partitions: None,
        };
        busy.group_mut("g").expect("is there").members = vec![member];
        assert_eq!(first(&busy), GroupStart::Pinned, "Kafka would refuse");
        assert!(matches!(
            group_start(&latest, None, None, true),
            GroupStart::Waits(_)
        ));
    }

    #[test]
    fn an_owned_group_is_pinned_again_only_without_any_commit() {
        let (latest, stopped) = (group(json!({})), group(json!({"state": "Stopped"})));
        let same = status(&["1", "2"]);
        let topics = [("t", "1", 2), ("u", "2", 1)];
        let at = |group, commits: &[(&str, i32)], before, at_rest| {
            group_start(group, Some(&poll(&topics, commits)), Some(before), at_rest)
        };
        // partitions and topics that were added while it was stopped start at their beginning
        assert_eq!(at(&latest, &[("t", 0)], &same, true), GroupStart::Pinned);
        // expired
        let all = [("t", 0, Latest), ("t", 1, Latest), ("u", 0, Latest)];
        assert_eq!(at(&latest, &[], &same, true), starts(&all));
        assert_eq!(at(&latest, &[], &same, false), GroupStart::Pinned);
        assert_eq!(
            at(&stopped, &[], &same, true),
            GroupStart::Pinned,
            "it is not about to start"
        );
        // t was recreated
        let recreated = status(&["0", "2"]);
        let new = [("t", 0, Earliest), ("t", 1, Earliest)];
        assert_eq!(at(&stopped, &[], &recreated, true), starts(&new));
        let running = [new[0], new[1], ("u", 0, Latest)];
        assert_eq!(at(&latest, &[], &recreated, true), starts(&running));
        // its topics did not exist when its id was claimed
        let never = status(&[]);
        assert_eq!(at(&stopped, &[], &never, true), starts(&all));
    }

    #[test]
    fn a_latest_group_remembers_the_topics_in_which_it_had_commits() {
        let mut world = two_groups();
        let ids = |status: &PracticeStatus| {
            status
                .groups
                .iter()
                .map(|group| group.committed_topic_ids.clone())
                .collect::<Vec<_>>()
        };
        let id = format!("{:032x}", 7);
        let had = [vec![], vec![id]];
        assert_eq!(ids(&world.status()), had, "a is earliest, b is latest");
        // its commits expire
        world.group("b", |group| group.committed = Some(ByPartition::default()));
        assert_eq!(ids(&world.status()), had);
        // the topic is recreated: it has no commit there
        world.kafka(|snapshot| {
            let facts = snapshot.topic_mut("t").expect("is present");
            facts.id = "another".to_owned();
        });
        assert_eq!(ids(&world.status()), had);
        world.group("b", |group| {
            let commit = Committed {
                offset: 0,
                metadata: "".into(),
            };
            group.committed = Some([(at("t", 0), commit)].into());
        });
        assert_eq!(ids(&world.status()), [vec![], vec!["another".to_owned()]]);
        world.outage(KafkaError::Refused);
        assert_eq!(ids(&world.status()), [vec![], vec!["another".to_owned()]]);
    }
}
