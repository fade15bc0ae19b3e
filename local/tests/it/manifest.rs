//! The manifest while it runs: it is applied when it is saved, and a wrong one changes nothing.

use crate::kit::{Local, THREE_GROUPS};

#[test]
fn a_saved_manifest_is_applied_and_a_wrong_one_changes_nothing() {
    let local = Local::ready(THREE_GROUPS, &[]);
    local.settled("group-1", 2);
    for (wrong, says) in [
        (
            "name: group-1, replicas: 2}",
            "name: group-1, replicas: -2}",
        ),
        ("partitions: 3", "partitions: 2"),
        ("{name: three}", "{name: four}"),
        ("replicas: 1, processingDelay: 20ms", "replica: 1"),
        ("topics: [{name: my-topic", "topics: [{name: my topic"),
        ("apiVersion: kafka-practice.dev/v1alpha1", "apiVersion: v1"),
        (
            "kind: ConsumerGroupPractice\nmetadata:",
            "kind: ConsumerGroupPractice\nmetadata: [",
        ),
    ]
    .into_iter()
    .zip([
        "replicas",
        "partitions can only grow",
        "metadata.name",
        "replica",
        "my topic",
        "only kafka-practice.dev/v1alpha1",
        "YAML",
    ])
    .map(|((from, to), says)| (THREE_GROUPS.replacen(from, to, 1), says))
    {
        let before = local
            .said()
            .matches("is not applied, what ran goes on")
            .count();
        local.save(&wrong);
        let said = local.until(&format!("{says} is told"), || {
            let said = local.said();
            (said.matches("is not applied, what ran goes on").count() > before).then_some(said)
        });
        let told = said
            .rsplit("is not applied")
            .next()
            .unwrap_or_default()
            .to_owned();
        assert!(told.contains(says), "{says}: {told}");
    }
    // in memory nothing grows, and that is said with what would
    local.save(&THREE_GROUPS.replacen("partitions: 3", "partitions: 6", 1));
    local.until("growth is refused", || {
        local
            .said()
            .contains("this needs --kafka apache")
            .then_some(())
    });
    assert_eq!(local.settled("group-1", 2).len(), 2, "what ran goes on");
    // scaled by hand, then saved: the file counts as a whole
    local.dir.told(&["scale", "group-1", "3"]);
    local.settled("group-1", 3);
    local.save(
        &THREE_GROUPS
            .replacen(
                "replicas: 1, processingDelay: 20ms",
                "replicas: 2, processingDelay: 30ms",
                1,
            )
            .replacen(
                "  groups:\n",
                "  groups:\n    - {name: group-4, replicas: 1}\n",
                1,
            ),
    );
    let said = local.until("it is applied", || {
        Some(local.said()).filter(|said| said.contains("is applied:"))
    });
    for says in [
        "group-4: new, 1 consumer starts",
        "group-1: 3 → 2 consumers: 1 consumer leaves",
        "group-3: 1 → 2 consumers: 1 consumer starts",
        "group-3: processingDelay 20ms → 30ms",
    ] {
        assert!(said.contains(says), "{says}: {said}");
    }
    local.settled("group-4", 1);
    local.settled("group-3", 2);
    local.settled("group-1", 2);
    let member = local.member("group-3", "group-3-a").expect("a member");
    assert_eq!(member["delayMs"], 30, "it was told otherwise");
    local.save(&THREE_GROUPS.replacen("    - {name: group-1, replicas: 2}\n", "", 1));
    local.until("groups that are not named are gone", || {
        let picture = local.picture()?;
        let names: Vec<&str> = picture["groups"]
            .as_array()?
            .iter()
            .filter_map(|group| group["name"].as_str())
            .collect();
        (names == ["group-2", "group-3"]).then_some(())
    });
}

#[test]
fn a_topic_and_a_protocol_may_come_later() {
    let local = Local::ready(THREE_GROUPS, &[]);
    local.save(&THREE_GROUPS.replacen(
        "topics: [{name: my-topic, partitions: 3}]",
        "topics: [{name: my-topic, partitions: 3}, {name: other, partitions: 2}]",
        1,
    ));
    local.until("every group reads both", || {
        let group = local.group("group-3")?;
        let owned = group["members"]
            .as_array()?
            .iter()
            .filter_map(|member| member["partitions"].as_array());
        (owned.flatten().count() == 5).then_some(())
    });
    // the producer was told of it by being started again
    local.until("a message to it is taken", || {
        local
            .dir
            .run(&["send", "--topic", "other", "to-the-other"])
            .status
            .success()
            .then_some(())
    });
    local.until("it is read", || {
        local.logs("group-3").contains("to-the-other").then_some(())
    });
    let which = local.dir.refused(&["send", "nowhere"]);
    assert!(
        which.contains("write --topic with one of my-topic, other"),
        "{which}"
    );
}
