//! Lag and health of partitions.

use super::*;

#[test]
fn a_partition_has_its_health_unless_healthy() {
    let mut facts = World::calm().facts();
    let share = |partition, health: &str| OwnedPartition {
        topic: "t".to_owned(),
        partition,
        health: Some(health.to_owned()),
        ..OwnedPartition::default()
    };
    facts.status.groups[0].unowned = vec![share(0, "Healthy"), share(1, "Stalled")];
    let actions = Actions {
        enabled: false,
        how: None,
    };
    let g = picture(&facts, None, &actions, MOST_SHARES, Vec::new())
        .groups
        .swap_remove(0);
    let health: Vec<_> = g.members[0]
        .partitions
        .iter()
        .map(|share| share.health.as_deref())
        .collect();
    assert_eq!(health, [None, Some("Stalled")]);
    let json = serde_json::to_value(&g.members[0].partitions[0]).expect("is JSON");
    assert_eq!(json.get("health"), None, "absent for a healthy partition");
}

#[test]
fn unknown_lag_has_its_start_and_ages_are_those_of_status() {
    let mut world = World::calm();
    world.topic().partitions[1] = None;
    let mut facts = world.facts();
    let actions = Actions {
        enabled: false,
        how: None,
    };
    let of_g = |facts: &Facts| {
        picture(facts, None, &actions, MOST_SHARES, Vec::new())
            .groups
            .swap_remove(0)
    };
    let since: Vec<_> = of_g(&facts).members[0]
        .partitions
        .iter()
        .map(|share| share.unknown_since)
        .collect();
    assert_eq!(since, [None, Some(100_000)], "no status yet: since now");
    let unknown_since = |at: &str| Some(at.to_owned());
    let share = OwnedPartition {
        topic: "t".to_owned(),
        partition: 1,
        ..OwnedPartition::default()
    };
    let status = &mut facts.status.groups[0];
    status.unowned = vec![OwnedPartition {
        unknown_since: unknown_since("1970-01-01T00:00:07Z"),
        ..share
    }];
    status.oldest_since = unknown_since("1970-01-01T00:00:05Z");
    let g = of_g(&facts);
    assert_eq!(g.members[0].partitions[1].unknown_since, Some(7_000));
    assert_eq!((g.oldest_at, g.done_at), (Some(5_000), None));
    facts.status.groups[0].done_at = unknown_since("1970-01-01T00:02:00Z");
    let json = serde_json::to_value(of_g(&facts)).expect("is JSON");
    assert_eq!(
        (&json["oldestAt"], &json["doneAt"]),
        (&5_000.into(), &120_000.into())
    );
    facts.snapshot = None;
    facts.status.groups[0].unknown_since = unknown_since("1970-01-01T00:00:09Z");
    let known = world.draw(None);
    let blind = picture(&facts, Some(&known), &actions, MOST_SHARES, Vec::new())
        .groups
        .swap_remove(0);
    let since: Vec<_> = blind.members[0]
        .partitions
        .iter()
        .map(|share| share.unknown_since)
        .collect();
    assert_eq!(since, [Some(9_000), Some(100_000)]);
    let json = serde_json::to_value(&blind.members[0].partitions[0]).expect("is JSON");
    assert_eq!(json["unknownSince"], 9_000);
}

#[test]
fn a_commit_to_a_previous_topic_counts_as_no_commit() {
    let mut world = World::calm();
    world.group("g").outdated.insert(("t", 0), ());
    let g = &world.draw(None).groups[0];
    let share = &g.members[0].partitions[0];
    assert_eq!(
        (share.lag, share.lag_reason.as_deref(), g.members[0].lag),
        (Some(10), Some("Recreated"), Some(12))
    );
}
