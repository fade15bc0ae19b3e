//! Owners of a group's partitions, by member id.

use std::{collections::BTreeMap, time::Duration};

use super::PartitionHistory;
use crate::model::{GroupSeen, GroupState, Partition};

/// Member ids by owned partition.
pub(super) type Owners<'a> = BTreeMap<&'a Partition, &'a str>;

/// Owners of the group's partitions; `None`: not known now.
pub(super) fn owners(group: &GroupSeen) -> Option<Owners<'_>> {
    let known = group.state != GroupState::Unknown && group.has_known_owners();
    known.then(|| {
        let each = group.members.iter().flat_map(|member| {
            let owned = member.partitions.iter().flatten();
            owned.map(|partition| (partition, member.member_id.as_str()))
        });
        each.collect()
    })
}

/// When each owner of these partitions last committed a new offset, by member id.
pub(super) fn owner_commits<'a>(
    histories: impl Iterator<Item = &'a PartitionHistory>,
) -> BTreeMap<String, Duration> {
    let mut newest_commits: BTreeMap<String, Duration> = BTreeMap::new();
    for history in histories {
        let Some((Some(owner), _)) = &history.owner else {
            continue;
        };
        match newest_commits.get_mut(owner) {
            Some(newest) => *newest = history.last_commit.max(*newest),
            None => drop(newest_commits.insert(owner.clone(), history.last_commit)),
        }
    }
    newest_commits
}
