//! A status while Kafka is down, is another one, or the manifest is invalid.

use jiff::SignedDuration;
use practice_groups::GroupSeen;

use super::*;

#[test]
fn unknown_is_never_zero() {
    let mut world = two_groups();
    let known = world.status();
    world.outage(KafkaError::Refused);
    let status = world.status();
    let totals = (
        status.summary.consumers,
        status.summary.idle,
        status.summary.lag,
    );
    assert_eq!(totals, (None, None, None));
    for group in &status.groups {
        assert_eq!(
            (group.lag, group.idle, group.state.as_str()),
            (None, None, "Unknown")
        );
        assert!(
            group.group_id_owned,
            "what was claimed stays so while Kafka is down"
        );
    }
    assert_eq!(status.topics, known.topics, "out of sight is not gone");
    let json = serde_json::to_value(&status).expect("is JSON");
    assert_eq!(json["groups"][0]["lag"], Value::Null);
    assert!(
        json["groups"][0]
            .as_object()
            .expect("is one")
            .contains_key("lag"),
        "null, not absent"
    );

    let mut world = two_groups();
    world.group("a", |group| *group = GroupSeen::default());
    let status = world.status();
    assert_eq!(
        (status.summary.lag, status.summary.consumers),
        (None, None),
        "one unknown group makes sums unknown"
    );
    assert_eq!(status.groups[1].lag, Some(0));
}

#[test]
fn nothing_is_remembered_of_another_kafka() {
    let mut world = two_groups();
    let id = world.status().topics[0].topic_id.clone();
    let own = id.clone().map(|id| ("t".to_owned(), id));
    world.prepared.own = Some(own.into_iter().collect());
    assert_eq!(world.status().topics[0].created_topic_id, id);
    world.prepared.own = None;
    assert_eq!(
        world.status().topics[0].created_topic_id,
        id,
        "shown until the record is read"
    );
    world.plan.bootstrap = "other:1".into();
    world.outage(KafkaError::TimedOut);
    let topic = &world.status().topics[0];
    assert_eq!(
        (topic.ready, &topic.created_topic_id, topic.partitions),
        (false, &None, None)
    );
}

#[test]
fn of_a_spec_that_is_refused_nothing_is_known_but_whose_it_is() {
    let mut world = two_groups();
    let before = world.status();
    let fault = SpecFault::Illegal("why".into());
    let prepared = Prepared::default();
    let after = status(
        Err(&fault),
        &prepared,
        &Running::default(),
        None,
        Some(&before),
        Some(2),
        world.now,
    );
    assert_eq!(after.observed_generation, Some(2));
    assert_eq!(
        (&after.topics, &after.bootstrap_servers),
        (&before.topics, &before.bootstrap_servers)
    );
    for (group, former) in after.groups.iter().zip(&before.groups) {
        assert!(
            former.lag.is_some() && former.unknown_since.is_none() && former.group_id_owned,
            "{former:?}"
        );
        let kept = (
            &group.name,
            group.group_id_owned,
            &group.protocol,
            group.replicas,
            group.ready_replicas,
        );
        let was = (
            &former.name,
            former.group_id_owned,
            &former.protocol,
            former.replicas,
            former.ready_replicas,
        );
        assert_eq!(kept, was);
        assert_eq!(
            (group.state.as_str(), group.lag, group.idle, &group.members),
            ("Unknown", None, None, &vec![])
        );
        assert_eq!(
            group.unknown_since.as_deref(),
            Some(group::time(world.now).as_str())
        );
        assert!(
            group
                .message
                .as_ref()
                .is_some_and(|why| why.contains("manifest")),
            "{:?}",
            group.message
        );
    }
    assert_eq!(
        (
            after.summary.consumers,
            after.summary.idle,
            after.summary.lag
        ),
        (None, None, None)
    );
    let kafka = after.condition("KafkaReachable").expect("it is there");
    assert_eq!(
        (kafka.status.as_str(), kafka.reason.as_str()),
        ("Unknown", "NotChecked")
    );
    let again = status(
        Err(&fault),
        &prepared,
        &Running::default(),
        None,
        Some(&after),
        Some(2),
        world.now + SignedDuration::from_secs(5),
    );
    assert_eq!(again, after, "nothing to write while not monitored");
    let never = status(
        Err(&fault),
        &prepared,
        &Running::default(),
        None,
        None,
        Some(2),
        world.now,
    );
    assert_eq!(never.groups, Vec::new());
    assert_eq!(
        never.conditions.len(),
        8,
        "every condition from the first visit"
    );
}
