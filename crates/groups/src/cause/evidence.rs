//! What explains that one member joined or left. Pure. In: the history of the instances of its group. Out: a cause, or `Pending`.

use practice_contract::Hold;

use super::{Cause, ChangedMember, MembershipChange};
use crate::witness::{Instance, Removal, Witness, differs};

// all in milliseconds
/// The kubelet reports the end of a container within this time, a second attempt included. After it a silent member counts as
/// frozen.
const REPORTED: i64 = 12_000;
/// The broker removes a member that ended without leaving within this time.
const LINGERS: i64 = 120_000;
/// Two facts of one decision are observed at most this far apart, in either order.
const SLACK: i64 = 5_000;
/// A controller replaces an instance within this time.
const AT_ONCE: i64 = 2_000;
/// A replacement is created within this time at the latest, and an old revision is deleted within it.
const REPLACED: i64 = 60_000;

/// The cause for one member.
pub(super) enum MemberCause {
    /// The cause, with the exit code of its process if the process ended.
    Known(Cause, Option<i32>),
    /// A fact may still arrive.
    Pending,
}

/// What is known about one rebalance.
pub(super) struct Evidence<'a> {
    pub(super) group: &'a str,
    pub(super) witness: &'a Witness,
    /// Milliseconds since the rebalance was noticed.
    pub(super) waited: i64,
    pub(super) change: &'a MembershipChange,
}

impl Evidence<'_> {
    /// Why a member left.
    pub(super) fn left(&self, member: &ChangedMember) -> MemberCause {
        let Some(instance) = self.witness.instance(&member.client) else {
            return MemberCause::Pending;
        };
        // the member belonged to a previous instance with this name
        if (i64::MIN + 1..instance.created).contains(&member.since) {
            return MemberCause::Pending;
        }
        if let Some(cause) = instance.changed_since(member.since) {
            return MemberCause::Known(cause, None);
        }
        let until = instance.removal.map_or(i64::MAX, |(at, _)| at);
        match (self.ended(instance, member.since, until), instance.removal) {
            (Some(end), _) => end, // the process ended before the instance was deleted
            (None, Some((_, Removal::Evicted))) => MemberCause::Known(Cause::Evicted, None),
            (None, Some((at, Removal::Asked))) => self.removed(instance, at),
            (None, Some((_, Removal::Unseen))) => MemberCause::Pending,
            (None, None) => self.silent(),
        }
    }

    /// The end of the member's process, if that ended the membership.
    fn ended(&self, instance: &Instance, since: i64, until: i64) -> Option<MemberCause> {
        let recent = since.max(self.change.noticed - LINGERS);
        if let Some(end) = instance.end_within(recent, until) {
            return Some(MemberCause::Known(end.cause(), end.code()));
        }
        // an end that is too old to be certain, or that was seen shortly before the member
        let early = since
            .saturating_sub(SLACK)
            .max(self.change.noticed - LINGERS);
        let unsure = instance
            .end_within(early, until)
            .or_else(|| instance.end_within(since, until));
        unsure
            .filter(|_| instance.removal.is_none())
            .map(|_| MemberCause::Pending)
    }

    /// The cause for a member whose process has not ended as far as is known.
    fn silent(&self) -> MemberCause {
        let is_certain = !self.change.blind && self.waited >= REPORTED;
        if is_certain {
            MemberCause::Known(Cause::SessionTimedOut, None)
        } else {
            MemberCause::Pending
        }
    }

    /// The cause for an instance that was deleted.
    fn removed(&self, instance: &Instance, at: i64) -> MemberCause {
        // a hold that ended before the instance was created is not the cause
        if self.witness.is_held(
            self.group,
            (at - SLACK).max(instance.created + 1),
            at + SLACK,
        ) {
            return MemberCause::Known(self.by_spec(Cause::StoppedBySpec), None);
        }
        let others = self.witness.others(&instance.sight.row, instance);
        let replacements = others.filter(|other| other.created > instance.created);
        if self.witness.is_too_many(instance, at, SLACK, REPLACED) {
            return MemberCause::Known(Cause::ScaledDown, None);
        }
        // a controller replaces a deleted instance at once, from the same template
        let replaces = |other: &Instance| {
            let at_once = other.witnessed && (at..=at + AT_ONCE).contains(&other.created);
            at_once && differs(&instance.sight, &other.sight).is_none()
        };
        if replacements.clone().any(replaces) {
            return MemberCause::Known(Cause::PodDeleted, None);
        }
        let there = |other: &&Instance| other.removal.is_none_or(|(gone, _)| gone >= at - REPLACED);
        let changed = replacements
            .filter(there)
            .find_map(|other| differs(&instance.sight, &other.sight));
        changed.map_or(MemberCause::Pending, |changed| {
            MemberCause::Known(changed, None)
        })
    }

    /// The cause where a hold of the group began or ended.
    fn by_spec(&self, begun_or_ended: Cause) -> Cause {
        match self.witness.last_hold(self.group) {
            Some(Hold::Switching) => Cause::ReconfiguredBySpec,
            Some(Hold::Stopped | Hold::Unclaimed) | None => begun_or_ended,
        }
    }

    /// Why a member joined.
    pub(super) fn joined(&self, member: &ChangedMember) -> MemberCause {
        let Some(instance) = self.witness.instance(&member.client) else {
            return MemberCause::Pending;
        };
        // a previous instance with this name is a different one
        let former = member
            .former
            .filter(|since| *since == i64::MIN || *since >= instance.created);
        if let Some(cause) = former.and_then(|former| instance.changed_since(former)) {
            return MemberCause::Known(cause, None);
        }
        if former.is_none() && instance.witnessed {
            return self.created(instance);
        }
        match self.ended(instance, former.unwrap_or(i64::MIN), i64::MAX) {
            Some(end) => end,
            None if former.is_some() => self.silent(),
            None => MemberCause::Pending, // the instance existed before the first observation
        }
    }

    /// The cause for a new instance.
    fn created(&self, instance: &Instance) -> MemberCause {
        let at = instance.created;
        if let Some((wanted, from_none)) = self.witness.is_addition(instance, SLACK, REPLACED) {
            let held = from_none && self.witness.is_held(self.group, wanted - SLACK, wanted);
            return MemberCause::Known(
                if held {
                    self.by_spec(Cause::StartedBySpec)
                } else {
                    Cause::ScaledUp
                },
                None,
            );
        }
        let others = self.witness.others(&instance.sight.row, instance);
        // a controller replaces a removed instance at once, from the current template
        let removed = |since: i64| {
            let removed = others
                .clone()
                .filter_map(|other| Some((other, other.removal?)));
            removed
                .filter(move |(_, (gone, _))| (since..=at + SLACK / 5).contains(gone))
                .max_by_key(|(_, (gone, _))| *gone)
        };
        let replaced = removed(at - AT_ONCE)
            .filter(|(other, _)| differs(&other.sight, &instance.sight).is_none());
        if replaced.is_none() {
            let there = |other: &&Instance| {
                other
                    .removal
                    .is_none_or(|(gone, _)| gone >= at - REPLACED / 2)
            };
            let mut older = others
                .clone()
                .filter(|other| other.created < at)
                .filter(there);
            if let Some(changed) = older.find_map(|old| differs(&old.sight, &instance.sight)) {
                return MemberCause::Known(changed, None);
            }
        }
        match replaced.or_else(|| removed(at - REPLACED)) {
            Some((_, (_, Removal::Evicted))) => MemberCause::Known(Cause::Evicted, None),
            Some((_, (_, Removal::Asked))) => MemberCause::Known(Cause::PodDeleted, None),
            Some((_, (_, Removal::Unseen))) | None => MemberCause::Pending,
        }
    }
}
