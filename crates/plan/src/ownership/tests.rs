use practice_groups::Bounds;

use super::*;
use crate::testing::plan_of;

const UID: &str = "uid-p";

fn facts(id: &str, partitions: usize) -> TopicFacts {
    TopicFacts {
        id: id.into(),
        replication_factor: 1,
        partitions: vec![Some(Bounds { start: 0, end: 0 }); partitions],
        ..TopicFacts::default()
    }
}

fn home(kafka: &str) -> Home {
    Home {
        cluster_id: Some(kafka.to_owned()),
        bootstrap_servers: format!("{kafka}:9092"),
    }
}

fn topic(name: &str) -> Topic {
    let plan = plan_of(serde_json::json!({"topics": [{"name": name, "partitions": 3}]}));
    plan.topics.into_iter().next().expect("is named")
}

fn owner() -> Owner<'static> {
    Owner {
        uid: UID,
        name: "p",
    }
}

/// The record after the beginning of a pass, and the topics to create.
fn begun<'a>(
    record: &OwnershipRecord,
    plan: &'a Plan,
    snapshot: &Snapshot,
    home: &Home,
) -> (OwnershipRecord, Vec<&'a Topic>) {
    let mut next = record.clone();
    let missing = begin(&mut next, plan, snapshot, home);
    (next, missing)
}

/// A record in which `p` created `t` with the id `a`.
fn with_a() -> OwnershipRecord {
    let mut record = OwnershipRecord::default();
    record.finish(owner(), &home("k"), "t", &Creation::Created("a".into()));
    record
}

#[test]
fn what_is_written_is_read_back_and_only_differences_are_written() {
    let mut record = with_a();
    record.intend(owner(), &home("k"), [&topic("u")]);
    let data: BTreeMap<_, _> = OwnershipRecord::default()
        .update(&record)
        .into_iter()
        .map(|(key, text)| (key, text.expect("is set")))
        .collect();
    assert_eq!(
        data,
        BTreeMap::from([
            (
                "a".to_owned(),
                r#"{"uid":"uid-p","practice":"p","topic":"t","clusterId":"k","bootstrapServers":"k:9092","state":"created"}"#
                    .to_owned()
            ),
            (
                "creating.uid-p".to_owned(),
                r#"{"practice":"p","topics":[{"topic":"u","bootstrapServers":"k:9092","partitions":3,"replicationFactor":1}]}"#
                    .to_owned()
            ),
        ])
    );
    assert_eq!(OwnershipRecord::read(&data), record);
    assert_eq!(record.update(&record), Update::new());
    let mut next = record.clone();
    next.finish(owner(), &home("k"), "u", &Creation::NotCreated);
    let update = record.update(&next);
    assert_eq!(update, Update::from([("creating.uid-p".to_owned(), None)]));
}

#[test]
fn an_unreadable_entry_authorises_nothing_and_stays() {
    let created = r#"{"uid":"uid-p","practice":"p","topic":"t","bootstrapServers":"k:9092","state":"created"}"#;
    for text in [
        "",
        "{}",
        "[]",
        r#"{"uid":"uid-p"}"#,
        r#"{"uid":"uid-p","practice":"p","topic":"t","bootstrapServers":"k:9092"}"#,
        r#"{"uid":"uid-p","practice":"p","topic":"t","state":"created"}"#,
        &created.replace("created", "creating"),
    ] {
        let data = BTreeMap::from([("a".to_owned(), text.to_owned())]);
        let record = OwnershipRecord::read(&data);
        assert!(!record.owns(UID, "a"), "{text}");
        assert_eq!(record.update(&OwnershipRecord::default()), Update::new());
    }
    let data = BTreeMap::from([("a".to_owned(), created.to_owned())]);
    assert!(OwnershipRecord::read(&data).owns(UID, "a"));
}

#[test]
fn a_topic_belongs_to_one_uid_and_one_id() {
    let record = with_a();
    assert!(record.owns(UID, "a"));
    for (uid, id) in [(UID, "b"), ("uid-q", "a"), ("", "a"), (UID, "")] {
        assert!(!record.owns(uid, id), "{uid} {id}");
    }
    let mut nothing = OwnershipRecord::default();
    nothing.finish(owner(), &home("k"), "t", &Creation::Created(String::new()));
    assert_eq!(nothing, OwnershipRecord::default(), "no id is no id");
}

#[test]
fn a_recreated_topic_replaces_the_former_on_the_same_kafka_alone() {
    let mut record = with_a();
    record.finish(owner(), &home("other"), "t", &Creation::Created("b".into()));
    assert!(record.owns(UID, "a") && record.owns(UID, "b"));
    record.finish(owner(), &home("k"), "t", &Creation::Created("c".into()));
    let owned: Vec<_> = record.owned_by(UID).map(|(id, _)| id).collect();
    assert_eq!(owned, ["b", "c"]);
}

#[test]
fn a_creation_without_an_answer_is_resolved_by_what_kafka_shows() {
    let plan = plan_of(serde_json::json!({"topics": [{"name": "t", "partitions": 3}]}));
    let seen = |seen: TopicSeen| Snapshot {
        topics: BTreeMap::from([("t".to_owned(), seen)]),
        ..Snapshot::default()
    };
    let missing = seen(TopicSeen::Missing);
    let (intended, creates) = begun(&OwnershipRecord::default(), &plan, &missing, &home("k"));
    assert_eq!((creates.len(), intended.intends(&plan.uid, "t")), (1, true));
    let (again, creates) = begun(&intended, &plan, &missing, &home("k"));
    assert_eq!((creates.len(), &again), (1, &intended), "nothing to write");
    for (found, is_own) in [
        (facts("a", 3), true),
        (facts("a", 1), false),
        (facts("", 3), false),
    ] {
        let (resolved, creates) =
            begun(&intended, &plan, &seen(TopicSeen::from(found)), &home("k"));
        assert!(creates.is_empty());
        assert!(!resolved.intends(&plan.uid, "t"));
        assert_eq!(resolved.owns(&plan.uid, "a"), is_own);
    }
    let unknown = seen(TopicSeen::Unknown(std::sync::Arc::new(
        practice_groups::KafkaError::TimedOut,
    )));
    assert_eq!(begun(&intended, &plan, &unknown, &home("k")).0, intended);
}

#[test]
fn a_creation_that_was_intended_on_one_kafka_takes_no_topic_of_another() {
    let plan = plan_of(serde_json::json!({"topics": [{"name": "t", "partitions": 3}]}));
    let seen = |seen| Snapshot {
        topics: BTreeMap::from([("t".to_owned(), seen)]),
        ..Snapshot::default()
    };
    let (k, other) = (home("k"), home("other"));
    let missing = seen(TopicSeen::Missing);
    let (intended, _) = begun(&OwnershipRecord::default(), &plan, &missing, &k);
    // spec.kafka was changed, and a topic of another client has the name and the shape
    let foreign = seen(TopicSeen::from(facts("foreign", 3)));
    let (resolved, _) = begun(&intended, &plan, &foreign, &other);
    assert_eq!(resolved, intended, "nothing is decided");
    // a creation there is another one
    let (both, _) = begun(&intended, &plan, &missing, &other);
    let addresses = both.unresolved(&plan.uid).map(|it| &it.bootstrap_servers);
    assert_eq!(addresses.collect::<Vec<_>>(), ["k:9092", "other:9092"]);
    let (resolved, _) = begun(&both, &plan, &seen(TopicSeen::from(facts("b", 3))), &other);
    assert!(resolved.owns(&plan.uid, "b") && resolved.intends(&plan.uid, "t"));
}

#[test]
fn a_topic_is_recorded_on_the_kafka_where_it_was_last_found() {
    let plan = plan_of(serde_json::json!({"topics": [{"name": "t", "partitions": 3}]}));
    let mut record = OwnershipRecord::default();
    let created = Creation::Created("a".into());
    record.finish((&plan).into(), &home("k"), "t", &created);
    let found = |record: &OwnershipRecord, id: &str, home: &Home| {
        let snapshot = Snapshot {
            topics: BTreeMap::from([("t".to_owned(), TopicSeen::from(facts(id, 3)))]),
            ..Snapshot::default()
        };
        let (next, _) = begun(record, &plan, &snapshot, home);
        let mut owned = next.owned_by(&plan.uid);
        owned.next().map(|(_, owned)| owned.home.clone())
    };
    assert_eq!(found(&record, "a", &home("alias")), Some(home("alias")));
    assert_eq!(found(&record, "b", &home("alias")), Some(home("k")));
}

#[test]
fn practices_that_no_longer_exist_are_removed() {
    let mut record = with_a();
    let other = Owner {
        uid: "uid-q",
        name: "q",
    };
    record.finish(other, &home("k"), "u", &Creation::Created("b".into()));
    record.keep(|uid| uid == UID);
    assert_eq!(record, with_a());
}

/// A Kafka with one topic name, a stored record, and an operator that may be killed at each request.
#[derive(Default)]
struct World {
    stored: BTreeMap<String, String>,
    /// The topic's id, its shape, and whether the operator created it.
    topic: Option<(String, Shape, bool)>,
    ids: u32,
    random: u64,
}

/// The operator was killed.
struct Killed;

impl World {
    /// xorshift64: the same sequence for the same seed.
    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    /// One request: it is answered, or the operator is killed before it is sent or before it is answered.
    fn request(&mut self, done: impl FnOnce(&mut Self)) -> Result<(), Killed> {
        match self.random(8) {
            0 => Err(Killed),
            1 => {
                done(self);
                Err(Killed)
            }
            _ => {
                done(self);
                Ok(())
            }
        }
    }

    fn snapshot(&self) -> Snapshot {
        let seen = match &self.topic {
            None => TopicSeen::Missing,
            Some((id, shape, _)) => {
                TopicSeen::from(facts(id, usize::try_from(shape.partitions).unwrap_or(0)))
            }
        };
        Snapshot {
            topics: BTreeMap::from([("t".to_owned(), seen)]),
            ..Snapshot::default()
        }
    }

    fn create(&mut self, shape: Shape, ours: bool) -> bool {
        let is_free = self.topic.is_none();
        if is_free {
            self.ids += 1;
            self.topic = Some((format!("{:032x}", self.ids), shape, ours));
        }
        is_free
    }

    fn write(&mut self, update: Update) -> Result<(), Killed> {
        if update.is_empty() {
            return Ok(());
        }
        self.request(|world| {
            for (key, text) in update {
                match text {
                    Some(text) => drop(world.stored.insert(key, text)),
                    None => drop(world.stored.remove(&key)),
                }
            }
        })
    }

    /// One pass of an operator that has just started.
    fn pass(&mut self, plan: &Plan) -> Result<(), Killed> {
        let record = OwnershipRecord::read(&self.stored);
        let (begun, creates) = begun(&record, plan, &self.snapshot(), &home("k"));
        self.write(record.update(&begun))?;
        let mut finished = begun.clone();
        for topic in creates {
            let (mut is_new, shape) = (false, Shape::of(topic));
            self.request(|world| is_new = world.create(shape, true))?;
            let id = self.topic.clone().map_or_else(String::new, |(id, ..)| id);
            let creation = if is_new {
                Creation::Created(id)
            } else {
                Creation::NotCreated
            };
            finished.finish(plan.into(), &home("k"), &topic.name, &creation);
        }
        self.write(begun.update(&finished))
    }

    /// The end of the practice: topics in the record are deleted by id, then the record forgets them.
    fn end(&mut self, plan: &Plan) -> Result<(), Killed> {
        let record = OwnershipRecord::read(&self.stored);
        let (begun, _) = begun(&record, plan, &self.snapshot(), &home("k"));
        let mut ended = begun.clone();
        for (id, _) in begun.owned_by(&plan.uid) {
            self.request(|world| {
                world.topic = world.topic.take().filter(|(there, ..)| there != id);
            })?;
            ended.release(id);
        }
        ended.keep(|uid| uid != plan.uid);
        self.write(record.update(&ended))
    }
}

#[test]
fn an_operator_killed_at_any_request_loses_no_topic_and_touches_no_other() {
    let plan = plan_of(serde_json::json!({"topics": [{"name": "t", "partitions": 3}]}));
    let foreign = Shape {
        partitions: 2,
        replication_factor: 1,
    };
    let (mut kills, mut seed) = (0, 0);
    while kills < 1_000 {
        seed += 1;
        let mut world = World {
            random: 0x9e37_79b9_7f4a_7c15 ^ seed,
            ..World::default()
        };
        let mut foreign_id = None;
        for _ in 0..=world.random(3) {
            if world.random(4) == 0 && world.create(foreign, false) {
                foreign_id = world.topic.clone().map(|(id, ..)| id);
            }
            kills += usize::from(world.pass(&plan).is_err());
        }
        // at the end without a kill: the last operator finishes
        while world.end(&plan).is_err() {
            kills += 1;
        }
        match (&world.topic, foreign_id) {
            (None, None) => {}
            (Some((id, _, false)), Some(foreign)) => assert_eq!(*id, foreign, "seed {seed}"),
            (topic, foreign) => panic!("seed {seed}: {topic:?}, foreign {foreign:?}"),
        }
        assert_eq!(world.stored, BTreeMap::new(), "seed {seed}");
    }
}
