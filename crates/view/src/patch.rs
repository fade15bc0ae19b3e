//! The difference between two states of a practice, which the page applies to the older one. Pure. Top-level keys are replaced
//! whole; `groups` has only the changed ones, each whole; `gone` has the names of removed groups.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::model::{GroupPicture, Picture};

/// The difference; `None`: only the time differs. New or reordered groups need a snapshot: see [`is_redrawn`].
pub(crate) fn patch(before: &Picture, after: &Picture) -> Option<Map<String, Value>> {
    let mut patch = Map::new();
    put(&mut patch, "ready", &before.ready, &after.ready);
    put(&mut patch, "sentence", &before.sentence, &after.sentence);
    put(&mut patch, "kafka", &before.kafka, &after.kafka);
    put(&mut patch, "actions", &before.actions, &after.actions);
    put(&mut patch, "sendUrl", &before.send_url, &after.send_url);
    put(&mut patch, "sendHow", &before.send_how, &after.send_how);
    put(&mut patch, "load", &before.load, &after.load);
    put(&mut patch, "summary", &before.summary, &after.summary);
    put(
        &mut patch,
        "partitions",
        &before.partitions,
        &after.partitions,
    );
    put(
        &mut patch,
        "otherGroups",
        &before.other_groups,
        &after.other_groups,
    );
    put(
        &mut patch,
        "otherGroupCount",
        &before.other_group_count,
        &after.other_group_count,
    );
    put(
        &mut patch,
        "rebalances",
        &before.rebalances,
        &after.rebalances,
    );
    let former = |group: &GroupPicture| {
        before
            .groups
            .iter()
            .find(|former| former.name == group.name)
    };
    let changed: Vec<&GroupPicture> = after
        .groups
        .iter()
        .filter(|group| former(group) != Some(*group))
        .collect();
    let gone: Vec<&str> = before
        .groups
        .iter()
        .map(|group| group.name.as_str())
        .filter(|name| !has(after, name))
        .collect();
    if !changed.is_empty() {
        patch.insert("groups".to_owned(), json!(changed));
    }
    if !gone.is_empty() {
        patch.insert("gone".to_owned(), json!(gone));
    }
    if patch.is_empty() {
        return None;
    }
    patch.insert("now".to_owned(), json!(after.now));
    Some(patch)
}

/// Whether groups are new or in another order, so that the page needs a snapshot.
pub(crate) fn is_redrawn(before: &Picture, after: &Picture) -> bool {
    let stayed = before
        .groups
        .iter()
        .map(|group| &group.name)
        .filter(|name| has(after, name));
    stayed.ne(after.groups.iter().map(|group| &group.name))
}

fn has(picture: &Picture, group: &str) -> bool {
    picture.groups.iter().any(|there| there.name == group)
}

fn put<T: PartialEq + Serialize>(patch: &mut Map<String, Value>, key: &str, before: &T, after: &T) {
    if before != after {
        patch.insert(key.to_owned(), json!(after));
    }
}

#[cfg(test)]
mod tests {
    use practice_api::status::OtherGroupStatus;
    use practice_groups::GroupState;

    use super::*;
    use crate::{
        model::Actions,
        picture::{MOST_SHARES, picture, tests::World},
    };

    fn draw(world: &World, before: Option<&Picture>) -> Picture {
        picture(
            &world.facts(),
            before,
            &Actions {
                enabled: true,
                how: None,
            },
            MOST_SHARES,
            Vec::new(),
        )
    }

    /// Applies a patch like the page.
    fn put_in(whole: &mut Value, patch: &Map<String, Value>) {
        for (key, value) in patch {
            match key.as_str() {
                "groups" => {
                    let groups = whole["groups"].as_array_mut().expect("a list");
                    for changed in value.as_array().expect("a list") {
                        *groups
                            .iter_mut()
                            .find(|group| group["name"] == changed["name"])
                            .expect("it is there") = changed.clone();
                    }
                }
                "gone" => {
                    let gone = value.as_array().expect("a list");
                    whole["groups"]
                        .as_array_mut()
                        .expect("a list")
                        .retain(|group| !gone.contains(&group["name"]));
                }
                _ => whole[key] = value.clone(),
            }
        }
    }

    #[test]
    fn a_patch_turns_the_older_state_into_the_newer() {
        let calm = World::calm();
        let changes: [(&str, &[&str], &dyn Fn(&mut World)); 8] = [
            ("nothing", &[], &|_| {}),
            ("a message", &["groups", "now", "partitions"], &|world| {
                world.produce(0, 3);
            }),
            ("a commit", &["groups", "now"], &|world| {
                world.commit("g", 0, 9);
            }),
            ("a rebalance", &["groups", "now"], &|world| {
                world.group("g").state = GroupState::PreparingRebalance;
            }),
            ("a member less", &["groups", "now"], &|world| {
                drop(world.group("g").members.pop());
            }),
            ("a group less", &["gone", "now"], &|world| world.remove("h")),
            ("another sentence", &["now", "sentence"], &|world| {
                world.sentence = "all is well".to_owned();
            }),
            ("no Kafka", &["groups", "now"], &|world| {
                world.kafka_is_gone();
            }),
        ];
        for (what, keys, change) in changes {
            let before = draw(&calm, None);
            let mut world = World::calm();
            world.now += 1_000;
            change(&mut world);
            let after = draw(&world, Some(&before));
            assert!(!is_redrawn(&before, &after), "{what}");
            let patch = patch(&before, &after).unwrap_or_default();
            assert_eq!(patch.keys().collect::<Vec<_>>(), keys, "{what}");
            let mut whole = json!(before);
            put_in(&mut whole, &patch);
            whole["now"] = json!(after.now);
            assert_eq!(whole, json!(after), "{what}");
        }
    }

    #[test]
    fn new_and_reordered_groups_need_a_snapshot() {
        let (mut fewer, calm) = (World::calm(), World::calm());
        fewer.remove("g");
        assert!(is_redrawn(&draw(&fewer, None), &draw(&calm, None)));
        let mut turned = World::calm();
        turned.groups.reverse();
        assert!(is_redrawn(&draw(&calm, None), &draw(&turned, None)));
        assert!(
            !is_redrawn(&draw(&calm, None), &draw(&fewer, None)),
            "a patch can remove a group"
        );
    }

    #[test]
    fn groups_of_other_applications_are_those_of_status() {
        let (world, actions) = (
            World::calm(),
            Actions {
                enabled: false,
                how: None,
            },
        );
        let mut facts = world.facts();
        let before = picture(&facts, None, &actions, MOST_SHARES, Vec::new());
        let billing = OtherGroupStatus {
            name: "billing".to_owned(),
            lag: Some(7),
            upper_bound: true,
            ..OtherGroupStatus::default()
        };
        (facts.status.other_groups, facts.status.other_group_count) = (vec![billing], Some(1));
        let after = picture(&facts, Some(&before), &actions, MOST_SHARES, Vec::new());
        let patch = patch(&before, &after).expect("something changed");
        assert_eq!(
            patch.keys().collect::<Vec<_>>(),
            ["now", "otherGroupCount", "otherGroups"]
        );
        assert_eq!(
            (
                &patch["otherGroups"][0]["lag"],
                &patch["otherGroups"][0]["upperBound"]
            ),
            (&json!(7), &json!(true))
        );
    }
}
