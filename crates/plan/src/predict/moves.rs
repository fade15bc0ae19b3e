//! How many partitions of a group move, and why. In: the members in status, the rows of the group, the topics that it reads. Out: a
//! [`Span`] with its reason, or why it is unknown. Pure. Deliberately absent: the assignors themselves ([`practice_groups::assign`]),
//! and how long a partition has no owner (`pause`).

use practice_api::status::{GroupStatus, Member};
use practice_contract::Assignor;
use practice_groups::assign::{Change, Holder, Moves, Newcomers, Owned, Topics, moves};

use super::{GroupChange, Now, Order, Span, rows::Row};
use crate::plan::GroupPlan;

/// Messages list at most this many partitions.
const NAMED: usize = 6;

/// Members in status, or why partition owners are unknown. Members of an unknown row stay.
pub(super) fn seen<'a>(
    status: Option<&'a GroupStatus>,
    rows: &[Row],
    now: Option<&Now<'_>>,
    order: Order,
) -> Result<Vec<Holder<'a>>, String> {
    let status = status.ok_or("partition owners are unknown")?;
    match status.state.as_str() {
        "Stable" | "Empty" | "Absent" => {}
        state => {
            return Err(format!(
                "partition owners are unknown while the group is {state}"
            ));
        }
    }
    if status.truncated {
        return Err(
            "status is truncated and does not list all partitions of its members".to_owned(),
        );
    }
    let row = |member: &Member| {
        let deployment = now.and_then(|now| now.rows.get(&member.name));
        rows.iter()
            .position(|row| Some(&row.deployment) == deployment)
            .unwrap_or(rows.len())
    };
    let owned = |member: &'a Member| {
        let these = member
            .partitions
            .iter()
            .map(|owned| (owned.topic.as_str(), owned.partition))
            .collect();
        match usize::try_from(member.partition_count) {
            Ok(count) if count != member.partitions.len() => Owned::Some(count),
            _ => Owned::These(these),
        }
    };
    let holder = |member: &'a Member| Holder {
        id: member.member_id.clone(),
        owned: owned(member),
        row: row(member),
    };
    let mut members: Vec<Holder<'a>> = status.members.iter().map(holder).collect();
    if order == Order::ByArrival {
        // range assigns neighbouring partitions to neighbouring members, so partitions show the members' order
        members.sort_by_key(first_owned);
        for (place, member) in members.iter_mut().enumerate() {
            member.id = format!("{place:08}");
        }
    }
    Ok(members)
}

/// The place of a member in a group that range has assigned; members without partitions are last.
fn first_owned(member: &Holder<'_>) -> (bool, Option<(String, i32)>) {
    let first = match &member.owned {
        Owned::These(owned) => owned
            .iter()
            .min()
            .map(|(topic, number)| ((*topic).to_owned(), *number)),
        Owned::Some(_) => None,
    };
    (first.is_none(), first)
}

/// How many partitions move.
pub(super) fn moved(
    change: GroupChange,
    group: &GroupPlan,
    rows: &[Row],
    members: &[Holder<'_>],
    reads: &Topics,
    order: Order,
) -> Span {
    let mut members = members.to_vec();
    for member in &mut members {
        if let Owned::These(owned) = &mut member.owned {
            owned.retain(|(topic, _)| reads.contains_key(*topic)); // partitions of topics that are no longer read do not move
        }
    }
    let of = members.iter().map(|member| member.owned.count()).sum();
    let span = |Moves { least, most, of }: Moves, why: String| Span {
        least,
        most,
        of,
        why,
    };
    match change {
        GroupChange::New
        | GroupChange::Gone
        | GroupChange::Started
        | GroupChange::Stopped
        | GroupChange::Stays => span(
            Moves {
                least: 0,
                most: 0,
                of,
            },
            String::new(),
        ),
        GroupChange::Switched => span(
            Moves {
                least: of,
                most: of,
                of,
            },
            "all members are new".to_owned(),
        ),
        GroupChange::Scaled | GroupChange::Rollout | GroupChange::Rebalanced => {
            let of_row = |place: usize| members.iter().filter(|member| member.row == place).count();
            let mut leave: Vec<usize> = rows
                .iter()
                .enumerate()
                .map(|(place, row)| row.stops().min(of_row(place)))
                .collect();
            leave.push(0); // members of an unknown row
            let join = rows.iter().map(Row::starts).sum();
            let newcomers = if order == Order::ById {
                Newcomers::Anywhere
            } else {
                Newcomers::Last
            };
            let change = Change {
                assignor: group.assignor,
                topics: reads,
                leave: &leave,
                join,
                newcomers,
            };
            let moves = moves(&members, &change);
            let why = which(&members, &change, moves).unwrap_or_else(|| because_of(&change, moves));
            span(moves, why)
        }
    }
}

/// Why so many.
fn because_of(change: &Change<'_>, moves: Moves) -> String {
    let leaves = change.leave.iter().any(|leave| *leave > 0);
    let why = match (change.assignor, change.join > 0, leaves) {
        _ if moves.most == 0 => return "members keep their partitions".to_owned(),
        (Assignor::Range, ..) if change.newcomers == Newcomers::Last => {
            "assigned in the order in which members joined"
        }
        (Assignor::Range | Assignor::RoundRobin, true, _) => {
            "assigned in the order of member ids, and ids of new members are random"
        }
        (Assignor::Range | Assignor::RoundRobin, false, true) => {
            "assigned in the order of member ids: depends on which member leaves"
        }
        (Assignor::Range | Assignor::RoundRobin, false, false) => "each topic is assigned again",
        (Assignor::CooperativeSticky, _, true) => {
            "partitions of members that leave; the others keep theirs while that is balanced"
        }
        (Assignor::CooperativeSticky, _, false) => {
            "members keep their partitions while that is balanced"
        }
        (Assignor::Uniform, ..) => {
            "members keep their partitions; the broker's hash map decides which members own one more"
        }
    };
    why.to_owned()
}

/// Which partitions may move, if they are few: all of a member that leaves; for a member that joins, some of the members that
/// own most. `None` for range and round-robin, whose result depends on member ids.
fn which(members: &[Holder<'_>], change: &Change<'_>, moves: Moves) -> Option<String> {
    let leaving: usize = change.leave.iter().sum();
    if matches!(change.assignor, Assignor::Range | Assignor::RoundRobin) || moves.most == 0 {
        return None;
    }
    let named = |member: &Holder<'_>| match &member.owned {
        Owned::These(owned) => Some(
            owned
                .iter()
                .map(|(topic, number)| format!("{topic}/{number}"))
                .collect::<Vec<_>>(),
        ),
        Owned::Some(_) => None,
    };
    let all =
        |members: Vec<&Holder<'_>>| members.into_iter().map(named).collect::<Option<Vec<_>>>();
    let few = |lists: &[Vec<String>]| lists.iter().map(Vec::len).sum::<usize>() <= NAMED;
    match (leaving, change.join) {
        (1, 0) => {
            let may = members
                .iter()
                .filter(|member| change.leave.get(member.row).is_some_and(|leave| *leave > 0));
            let lists: Vec<Vec<String>> = all(may.collect())?
                .into_iter()
                .filter(|list| !list.is_empty())
                .collect();
            few(&lists).then(|| {
                lists
                    .iter()
                    .map(|list| list.join(" and "))
                    .collect::<Vec<_>>()
                    .join(", or ")
            })
        }
        (0, 1) => {
            let partitions: i32 = change.topics.values().sum();
            let each = usize::try_from(partitions)
                .unwrap_or(0)
                .checked_div(members.len() + 1)?;
            let donors: Vec<_> = members
                .iter()
                .filter(|member| member.owned.count() > each)
                .collect();
            let lists = all(donors)?;
            let candidates = lists.concat();
            match moves {
                _ if !few(&lists) => None,
                Moves {
                    least: 1, most: 1, ..
                } => Some(candidates.join(" or ")),
                Moves { least, most, .. } if least == most => {
                    Some(format!("{least} of {}", candidates.join(", ")))
                }
                _ => None,
            }
        }
        _ => None,
    }
}
