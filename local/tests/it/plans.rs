//! `plan` in local mode: the prediction, and its comparison with the outcome.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use crate::kit::{Dir, Local, THREE_GROUPS};

/// Who owns which partition.
fn owners(members: &[Value]) -> BTreeMap<i64, String> {
    let each = |member: &Value| {
        let name = member["name"].as_str().expect("a name").to_owned();
        let numbers = member["partitions"].as_array().expect("a list").iter();
        numbers
            .map(move |owned| (owned["partition"].as_i64().expect("a number"), name.clone()))
            .collect::<Vec<_>>()
    };
    members.iter().flat_map(each).collect()
}

#[test]
fn prediction_matches_the_outcome() {
    let local = Local::ready(THREE_GROUPS, &[]);
    let before = owners(&local.settled("group-1", 2));
    let more = THREE_GROUPS.replacen("replicas: 2}", "replicas: 5}", 1);
    fs::write(local.dir.path().join("more.yaml"), &more).expect("written");
    let printed = local.dir.stdout_of(&["plan", "more.yaml"]);
    for part in [
        "three   1 of 3 groups changes, 3 consumers start\n",
        "group-1   2 → 5 consumers\n",
        "starts    3 consumers\n",
        "idle      2 of 5 consumers: ",
        "moves     2 of 3 partitions: ",
        "stays     1 of 3 partitions\n",
        "pause     2 partitions, ",
        "heartbeat interval is 3s",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert_eq!(
        owners(&local.settled("group-1", 2)),
        before,
        "nothing was done"
    );
    local.save(&more);
    let after = local.until("the others have joined", || {
        let members = local.settled("group-1", 5);
        let after = owners(&members);
        (after.len() == 3
            && after
                .values()
                .collect::<std::collections::BTreeSet<_>>()
                .len()
                == 3)
            .then_some(after)
    });
    let moved = before
        .iter()
        .filter(|(partition, owner)| after.get(partition) != Some(owner))
        .count();
    assert_eq!(moved, 2, "{before:?} -> {after:?}");

    let json: Value =
        serde_json::from_str(&local.dir.stdout_of(&["plan", "more.yaml", "-o", "json"]))
            .expect("JSON");
    assert_eq!(
        (&json["exists"], &json["groups"][0]["change"]),
        (&true.into(), &"Stays".into()),
        "{json:#}"
    );
    fs::write(
        local.dir.path().join("grown.yaml"),
        more.replacen("partitions: 3", "partitions: 6", 1),
    )
    .expect("written");
    let refused = local.dir.run(&["plan", "grown.yaml"]);
    let printed = crate::kit::text(&refused.stdout);
    assert!(
        !refused.status.success() && printed.contains("use --kafka apache"),
        "{printed}"
    );
}

#[test]
fn without_a_running_practice_everything_is_new() {
    let dir = Dir::new();
    fs::write(dir.path().join("practice.yaml"), THREE_GROUPS).expect("written");
    let printed = dir.stdout_of(&["plan", "practice.yaml"]);
    assert!(
        printed.starts_with("three   new, 6 consumers start\n"),
        "{printed}"
    );
    assert!(
        printed.contains("protocol Consumer and assignor Range instead of Classic"),
        "{printed}"
    );
    assert!(
        !dir.stdout_of(&["plan", "practice.yaml", "--kafka", "apache"])
            .contains("instead of Classic")
    );
    let yaml: Value =
        serde_yaml::from_str(&dir.stdout_of(&["plan", "practice.yaml", "-o", "yaml"]))
            .expect("YAML");
    assert_eq!(
        (&yaml["exists"], &yaml["groups"][1]["starts"]["number"]),
        (&false.into(), &3.into())
    );
    fs::write(
        dir.path().join("practice.yaml"),
        THREE_GROUPS.replacen("replicas: 2}", "replicas: 200}", 1),
    )
    .expect("written");
    let wrong = dir.run(&["plan", "practice.yaml"]);
    assert!(!wrong.status.success(), "{wrong:?}");
    assert!(
        crate::kit::text(&wrong.stdout).contains("spec.groups[0].replicas: 200"),
        "{wrong:?}"
    );
    assert!(
        dir.refused(&["plan", "nowhere.yaml"])
            .contains("nowhere.yaml does not exist")
    );
    assert!(!dir.path().join(".local").exists(), "nothing was started");
}
