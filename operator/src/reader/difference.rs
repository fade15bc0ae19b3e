//! Whether two polls differ for a practice. In: both polls, and the topics and groups that the practice uses. Out: yes or no.
//! Deliberately absent: what the difference means.

use std::sync::Arc;

use practice_groups::{OtherGroup, PollResult, Snapshot};

use super::Interest;

/// Whether two polls differ in topics or groups of a practice.
pub(super) fn differs(before: Option<&PollResult>, now: &PollResult, interest: &Interest) -> bool {
    match (before, now) {
        (None, _) => false, // reconciles wait for the first poll already
        (Some(Ok(before)), Ok(now)) => {
            interest
                .topics
                .iter()
                .any(|topic| before.topics.get(topic) != now.topics.get(topic))
                || interest
                    .groups
                    .iter()
                    .any(|group| before.groups.get(group) != now.groups.get(group))
                || (!shares_other_groups(before, now)
                    && other_groups(before, interest) != other_groups(now, interest))
        }
        (Some(Err(before)), Err(now)) => before.to_string() != now.to_string(),
        (Some(Ok(_)), Err(_)) | (Some(Err(_)), Ok(_)) => true,
    }
}

/// Whether both snapshots share one poll of groups of other applications.
fn shares_other_groups(before: &Snapshot, now: &Snapshot) -> bool {
    match (&before.other_groups, &now.other_groups) {
        (Some(before), Some(now)) => Arc::ptr_eq(before, now),
        (before, now) => before.is_none() && now.is_none(),
    }
}

/// The groups of other applications on the topics of a practice.
fn other_groups<'a>(
    snapshot: &'a Snapshot,
    interest: &Interest,
) -> Option<Vec<(&'a String, &'a OtherGroup)>> {
    let is_of_interest = |(_, seen): &(&String, &OtherGroup)| {
        seen.on(|topic| interest.topics.contains(topic)).is_some()
    };
    Some(
        snapshot
            .other_groups
            .as_ref()?
            .iter()
            .filter(is_of_interest)
            .collect(),
    )
}
