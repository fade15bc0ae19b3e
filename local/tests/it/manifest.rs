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
        "use kafka-practice.dev/v1alpha1",
        "YAML",
    ])
    .map(|((from, to), says)| (THREE_GROUPS.replacen(from, to, 1), says))
    {
        let before = local
            .output()
            .matches("not applied, the previous version keeps running")
            .count();
        local.save(&wrong);
        let printed = local.until(&format!("{says} is printed"), || {
            let printed = local.output();
            (printed
                .matches("not applied, the previous version keeps running")
                .count()
                > before)
                .then_some(printed)
        });
        let printed = printed
            .rsplit("not applied")
            .next()
            .unwrap_or_default()
            .to_owned();
        assert!(printed.contains(says), "{says}: {printed}");
    }
    // the embedded broker cannot add partitions; the message names the fix
    local.save(&THREE_GROUPS.replacen("partitions: 3", "partitions: 6", 1));
    local.until("growth is refused", || {
        local.output().contains("use --kafka apache").then_some(())
    });
    assert_eq!(
        local.settled("group-1", 2).len(),
        2,
        "the previous version keeps running"
    );
    // scaled by hand, then saved: the file counts as a whole
    local.dir.stdout_of(&["scale", "group-1", "3"]);
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
    let printed = local.until("it is applied", || {
        Some(local.output()).filter(|printed| printed.contains(" applied:"))
    });
    for says in [
        "group-4: new, 1 consumer starts",
        "group-1: 3 → 2 consumers: 1 consumer leaves",
        "group-3: 1 → 2 consumers: 1 consumer starts",
        "group-3: processingDelay 20ms → 30ms",
    ] {
        assert!(printed.contains(says), "{says}: {printed}");
    }
    local.settled("group-4", 1);
    local.settled("group-3", 2);
    local.settled("group-1", 2);
    local.until("the consumer was replaced and has the new delay", || {
        let member = local.member("group-3", "group-3-a")?;
        (member["delayMs"] == 30).then_some(())
    });
    local.save(&THREE_GROUPS.replacen("    - {name: group-1, replicas: 2}\n", "", 1));
    local.until("groups that are not named are gone", || {
        let view = local.view()?;
        let names: Vec<&str> = view["groups"]
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
    // the producer restarts with the new settings
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
        which.contains("name one with --topic: my-topic, other"),
        "{which}"
    );
}
