//! Column widths and short names of a tree. Pure.

use practice_api::{ConsumerGroupPractice, PracticeStatus, spec::Group, status::GroupStatus};

use super::{lag, offsets, protocol};
use crate::{
    state::{NO_CONSUMER, consumers, group_mark},
    text::Line,
};

/// Column widths of a whole practice, so that values of all groups are aligned.
pub(super) struct Columns {
    pub(super) group: usize,
    pub(super) state: usize,
    pub(super) protocol: usize,
    pub(super) consumers: usize,
    pub(super) lag: usize,
    pub(super) consumer: usize,
    pub(super) delay: usize,
    pub(super) partition: usize,
    pub(super) offsets: usize,
    pub(super) partition_lag: usize,
}

/// Longer names do not widen the column.
const LONGEST: usize = 40;

impl Columns {
    pub(super) fn of(practice: &ConsumerGroupPractice, status: &PracticeStatus) -> Self {
        let wanted = |group: &GroupStatus| {
            practice
                .spec
                .groups
                .iter()
                .find(|wanted| wanted.name == group.name)
        };
        let widest = |widths: &mut dyn Iterator<Item = usize>| {
            widths.filter(|width| *width <= LONGEST).max().unwrap_or(0)
        };
        let groups = || status.groups.iter();
        let members = || {
            groups().flat_map(|group| {
                let names = Names::of(practice, group);
                group
                    .members
                    .iter()
                    .map(move |member| (names.clone(), group, member))
            })
        };
        let owned = || groups().flat_map(GroupStatus::shares);
        let unowned = status
            .groups
            .iter()
            .any(|group| group.unowned_count > 0)
            .then_some(NO_CONSUMER.len());
        Self {
            group: widest(&mut groups().map(|group| Line::plain(&group.name).width())),
            state: widest(
                &mut groups().map(|group| group_mark(group, wanted(group)).line().width()),
            ),
            protocol: widest(&mut groups().map(|group| protocol(group, wanted(group)).len())),
            consumers: widest(&mut groups().map(|group| consumers(group).len())),
            lag: widest(&mut groups().map(|group| lag(group.lag).width())),
            consumer: widest(
                &mut members()
                    .map(|(names, _, member)| Line::plain(&names.short(&member.name)).width())
                    .chain(unowned),
            ),
            delay: widest(
                &mut members()
                    .map(|(names, group, member)| names.delay(&member.name, wanted(group)).len()),
            ),
            partition: widest(
                &mut owned().map(|owned| format!("{}/{}", owned.topic, owned.partition).len()),
            ),
            offsets: widest(&mut owned().map(|owned| offsets(owned).len())),
            partition_lag: widest(&mut owned().map(|owned| lag(owned.lag).width())),
        }
    }
}

/// Name without a prefix, with a mark where it was.
pub(crate) fn short_name(prefix: &str, name: &str) -> String {
    let rest = name.strip_prefix(prefix).filter(|rest| !rest.is_empty());
    rest.map_or_else(|| name.to_owned(), |rest| format!("…{rest}"))
}

/// Names of a group's consumers: `<practice>-<group>[-<variant>]-...` of pods, `<group>[-<variant>]-a` of processes.
#[derive(Clone)]
pub(super) struct Names {
    prefixes: [String; 2],
}

impl Names {
    pub(super) fn of(practice: &ConsumerGroupPractice, group: &GroupStatus) -> Self {
        let practice = practice.metadata.name.as_deref().unwrap_or_default();
        Self {
            prefixes: [
                format!("{practice}-{}-", group.name),
                format!("{}-", group.name),
            ],
        }
    }

    /// Name without the prefix of the group.
    fn rest<'a>(&self, name: &'a str) -> Option<&'a str> {
        self.prefixes
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix.as_str()))
            .filter(|rest| !rest.is_empty())
    }

    /// `…6d9f-x2kvp`; processes keep their names, which are short and arguments of commands
    pub(super) fn short(&self, name: &str) -> String {
        short_name(&self.prefixes[0], name)
    }

    /// processingDelay of a consumer's variant or group; empty when not set, or when the name has another form.
    pub(super) fn delay(&self, name: &str, wanted: Option<&Group>) -> String {
        let (Some(rest), Some(wanted)) = (self.rest(name), wanted) else {
            return String::new();
        };
        let is_of = |variant: &str| {
            rest.strip_prefix(variant)
                .is_some_and(|rest| rest.starts_with('-'))
        };
        let variant = wanted
            .variants
            .iter()
            .filter(|variant| is_of(&variant.name))
            .max_by_key(|variant| variant.name.len());
        let own = variant.and_then(|variant| variant.processing_delay.as_ref());
        own.or(wanted.processing_delay.as_ref())
            .map_or_else(String::new, ToString::to_string)
    }
}
