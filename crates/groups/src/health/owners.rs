//! Owners of a group's partitions, by member id.

use std::collections::BTreeMap;

use arcstr::ArcStr;

use super::PartitionHistory;
use crate::{
    by_partition::{At, PartitionSet},
    compact::{Texts, Tick},
    model::{GroupSeen, GroupState},
};

/// Member ids by owned partition.
pub(super) type Owners<'a> = BTreeMap<At<'a>, ArcStr>;

/// Owners of the group's partitions; `None`: not known now.
pub(super) fn owners<'a>(group: &'a GroupSeen, members: &mut Texts) -> Option<Owners<'a>> {
    let known = group.state != GroupState::Unknown && group.has_known_owners();
    known.then(|| {
        let mut owners = Owners::new();
        for member in &group.members {
            let id = members.get(&member.member_id);
            let owned = member.partitions.iter().flat_map(PartitionSet::keys);
            owners.extend(owned.map(|at| (at, id.clone())));
        }
        owners
    })
}

/// When each owner of these partitions last committed a new offset, by member id.
pub(super) fn owner_commits<'a>(
    histories: impl Iterator<Item = &'a PartitionHistory>,
) -> BTreeMap<ArcStr, Tick> {
    let mut newest_commits: BTreeMap<ArcStr, Tick> = BTreeMap::new();
    for history in histories {
        let Some(owner) = &history.owner else {
            continue;
        };
        match newest_commits.get_mut(owner) {
            Some(newest) => *newest = history.last_commit.max(*newest),
            None => drop(newest_commits.insert(owner.clone(), history.last_commit)),
        }
    }
    newest_commits
}
