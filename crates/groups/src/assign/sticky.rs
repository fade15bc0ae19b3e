//! Cooperative-sticky of Classic groups. In: the partitions that each member owns. Out: the ones that it should own. Members keep their
//! partitions as far as the group stays balanced (KIP-54, KIP-429). Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Assignment, Topics};
use crate::Partition;

/// Computes the new assignment. `owned` has the partitions of each member, by its id. The number of partitions of each member is
/// certain. So is each owner, except for partitions without a former owner, whose order the client's map decides.
///
/// The member with the most partitions gives one to the member with the fewest; among equals the smaller id gets it. A moved
/// partition has no owner until the former owner has revoked it, in a second rebalance (KIP-429).
pub fn cooperative_sticky(owned: &Assignment, topics: &Topics) -> Assignment {
    if owned.is_empty() {
        return Assignment::new();
    }
    let exists = |partition: &Partition| {
        topics
            .get(&partition.0)
            .is_some_and(|count| (0..*count).contains(&partition.1))
    };
    let mut claimed = BTreeSet::new();
    let mut shares: Assignment = BTreeMap::new();
    for (member, partitions) in owned {
        let mut kept: Vec<Partition> = partitions
            .iter()
            .filter(|partition| exists(partition) && claimed.insert((*partition).clone()))
            .cloned()
            .collect();
        kept.sort_unstable();
        shares.insert(member.clone(), kept);
    }
    let candidates = candidates(&shares);
    let all = topics
        .iter()
        .flat_map(|(topic, count)| (0..*count).map(|number| (topic.clone(), number)));
    for partition in all.filter(|partition| !claimed.contains(partition)) {
        let least = least(&shares).to_owned();
        shares.entry(least).or_default().push(partition);
    }
    loop {
        let mut moved = false;
        for partition in &candidates {
            if is_even(&shares) {
                break;
            }
            let giver = shares
                .iter()
                .find(|(_, share)| share.contains(partition))
                .map(|(giver, _)| giver.clone());
            let (Some(giver), taker) = (giver, least(&shares).to_owned()) else {
                continue;
            };
            if shares[&giver].len() > shares[&taker].len() + 1 {
                shares
                    .entry(giver)
                    .or_default()
                    .retain(|kept| kept != partition);
                shares.entry(taker).or_default().push(partition.clone());
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    for share in shares.values_mut() {
        share.sort_unstable();
    }
    shares
}

/// Partitions in the order in which they are offered: always the first remaining one of the member with the most remaining ones,
/// among equals of the one with the greatest id.
fn candidates(shares: &Assignment) -> Vec<Partition> {
    let mut left: BTreeSet<(usize, &String)> = shares
        .iter()
        .filter(|(_, share)| !share.is_empty())
        .map(|(member, share)| (share.len(), member))
        .collect();
    let mut candidates = Vec::new();
    while let Some((count, member)) = left.pop_last() {
        let share = &shares[member];
        candidates.push(share[share.len() - count].clone());
        if count > 1 {
            left.insert((count - 1, member));
        }
    }
    candidates
}

/// The member with the fewest partitions; among equals the one with the smallest id.
fn least(shares: &Assignment) -> &str {
    shares
        .iter()
        .min_by_key(|(member, share)| (share.len(), *member))
        .map_or("", |(member, _)| member)
}

fn is_even(shares: &Assignment) -> bool {
    let counts = || shares.values().map(Vec::len);
    counts().max().unwrap_or(0) <= counts().min().unwrap_or(0) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(all: &[(&str, &[i32])]) -> Assignment {
        let share = |numbers: &[i32]| {
            numbers
                .iter()
                .map(|number| ("t".to_owned(), *number))
                .collect()
        };
        all.iter()
            .map(|(member, numbers)| ((*member).to_owned(), share(numbers)))
            .collect()
    }

    #[test]
    fn members_keep_what_leaves_the_group_in_balance() {
        let rows: [(&[(&str, &[i32])], i32, &[(&str, &[i32])]); 8] = [
            // no member owns a partition: one after the other
            (&[("a", &[]), ("b", &[])], 3, &[("a", &[0, 2]), ("b", &[1])]),
            // one joins: the member with the most partitions gives its first one
            (
                &[("a", &[0, 2]), ("b", &[1]), ("c", &[])],
                3,
                &[("a", &[2]), ("b", &[1]), ("c", &[0])],
            ),
            // a fourth gets nothing
            (
                &[("a", &[2]), ("b", &[1]), ("c", &[0]), ("d", &[])],
                3,
                &[("a", &[2]), ("b", &[1]), ("c", &[0]), ("d", &[])],
            ),
            // of equals the greatest id gives first
            (
                &[("a", &[0, 1]), ("b", &[2, 3]), ("c", &[])],
                4,
                &[("a", &[0, 1]), ("b", &[3]), ("c", &[2])],
            ),
            // unowned partitions go to the member with the fewest
            (
                &[("a", &[0, 1]), ("b", &[2])],
                5,
                &[("a", &[0, 1, 4]), ("b", &[2, 3])],
            ),
            // deleted partitions have no owner
            (
                &[("a", &[0, 7]), ("b", &[1])],
                2,
                &[("a", &[0]), ("b", &[1])],
            ),
            // two that claim the same: one has it
            (&[("a", &[0]), ("b", &[0])], 2, &[("a", &[0]), ("b", &[1])]),
            (
                &[("a", &[0, 1, 2, 3, 4]), ("b", &[]), ("c", &[])],
                5,
                &[("a", &[3, 4]), ("b", &[0, 2]), ("c", &[1])],
            ),
        ];
        for (before, count, after) in rows {
            let topics = Topics::from([("t".to_owned(), count)]);
            assert_eq!(
                cooperative_sticky(&owned(before), &topics),
                owned(after),
                "{before:?}"
            );
        }
        assert!(cooperative_sticky(&Assignment::new(), &Topics::new()).is_empty());
    }
}
