//! What a preview says where status, a valid manifest or a number of replicas is missing.

use super::*;

#[test]
fn what_is_not_known_is_not_said() {
    let group = json!({"name": "g", "replicas": 2});
    let mut there = live(
        &spec(3, group),
        &[(
            "g",
            &[
                ("a", "p-g", &[("t", 0), ("t", 1)]),
                ("b", "p-g", &[("t", 2)]),
            ],
        )],
    );
    let three = spec(3, json!({"name": "g", "replicas": 3}));
    there.status.groups[0].state = "PreparingRebalance".to_owned();
    let all = there.to(&three);
    assert_eq!(
        said(&all.groups[0]),
        "g Scaled 2>3 +1 -0 idle 0, moves ?, pause -"
    );
    assert!(
        all.groups[0]
            .unknown
            .as_ref()
            .is_some_and(|why| why.contains("PreparingRebalance")),
        "{all:?}"
    );
    there.status.groups[0].state = "Stable".to_owned();
    there.status.groups[0].group_id_owned = false;
    there.status.groups[0].members.clear();
    let all = there.to(&three);
    assert_eq!(
        said(&all.groups[0]),
        "g Scaled 0>3 +3 -0 idle 0, moves 0..0 of 0, pause -"
    );
    assert!(
        all.groups[0]
            .because
            .iter()
            .any(|why| why.contains("not claimed")),
        "{all:?}"
    );
    there.status.observed_generation = Some(7);
    assert_eq!(there.to(&three).notes.len(), 1);
    let elsewhere = json!({"topics": [{"name": "t", "partitions": 3}], "groups": [{"name": "g", "replicas": 2}],
        "kafka": {"bootstrapServers": "other:1"}});
    there.status.groups[0].group_id_owned = true;
    let all = there.to(&elsewhere);
    assert_eq!(all.topics[0].change, TopicChange::Created);
    assert_eq!(
        said(&all.groups[0]),
        "g Rollout 2>2 +2 -2 idle 0, moves ?, pause -"
    );
    assert!(
        all.notes[0].contains("Kafka changes from k:1 to other:1"),
        "{all:?}"
    );
    let unseen = predict(
        &plan_of(three.clone()),
        Some(&Now {
            plan: &there.plan,
            status: None,
            rows: &there.rows,
        }),
        Broker::default(),
    );
    assert_eq!((unseen.exists, unseen.notes.len()), (Some(true), 1));
    let refused = Prediction::refused(
        "n",
        "p",
        None,
        vec!["spec.groups[0].replicas: 101".to_owned()],
    );
    let text = serde_json::to_string(&refused).expect("JSON");
    assert_eq!(
        serde_json::from_str::<Prediction>(&text).expect("the same"),
        refused
    );
}

#[test]
fn a_manifest_that_was_refused_never_ran() {
    let wanted = |replicas: u32| spec(3, json!({"name": "g", "replicas": replicas}));
    let mut there = live(
        &wanted(60),
        &[(
            "g",
            &[
                ("g-0", "p-g", &[("t", 0)]),
                ("g-1", "p-g", &[("t", 1), ("t", 2)]),
            ],
        )],
    );
    assert!(
        said(&there.to(&wanted(2)).groups[0]).starts_with("g Scaled 60>2 "),
        "as if it ran"
    );
    let refused = |generation: i64| {
        let stalled = json!([{"type": "Stalled", "status": "True", "reason": "PolicyViolation", "message": "why",
            "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        serde_json::from_value(stalled).expect("conditions")
    };
    there.status.conditions = refused(1);
    let all = there.to(&wanted(2));
    assert_eq!(
        said(&all.groups[0]),
        "g New 0>2 +2 -0 idle 0, moves 0..0 of 0, pause -"
    );
    assert_eq!(
        (all.topics[0].change, &*all.producer, all.exists),
        (TopicChange::Created, &["starts".to_owned()][..], Some(true))
    );
    let says = "the applied manifest is rejected (PolicyViolation), so this preview starts from an empty practice: 2 consumers of g of the manifest before it keep running";
    assert!(
        all.notes.len() == 1 && all.notes[0].starts_with(says),
        "{:?}",
        all.notes
    );
    there.status.groups.clear();
    let all = there.to(&wanted(2));
    assert!(
        all.notes.len() == 1 && all.notes[0].ends_with("nothing ran before it"),
        "{:?}",
        all.notes
    );
    there.status.conditions = refused(0);
    assert_eq!(
        there.to(&wanted(2)).notes,
        Vec::<String>::new(),
        "a manifest before this one was"
    );
}

#[test]
fn how_many_start_again_is_not_known_where_somebody_else_says_it() {
    let group = |state: &str| spec(3, json!({"name": "g", "state": state}));
    let mut there = live(&group("Stopped"), &[("g", &[])]);
    there.status.groups[0].state = "Empty".to_owned();
    let all = there.to(&group("Running"));
    assert_eq!(
        said(&all.groups[0]),
        "g Started 0>1 +1 -0 idle ?, moves 0..0 of 0, pause -"
    );
    let idle = words::group(&all.groups[0])
        .into_iter()
        .find(|said| said.label == "idle")
        .expect("it is said");
    assert_eq!(idle.why, "the number of consumers that start is unknown");
    assert!(all.groups[0].starts.why.starts_with("at least"), "{all:?}");
}
