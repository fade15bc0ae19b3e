//! Whatever becomes of groups, the status that the operator writes of them is what Kafka's own tool says. Consumers are workers
//! as the operator's Deployments describe them; members that commit nothing, and other applications, are clients of the tests.

use std::time::Duration;

use practice_api::{PracticeStatus, status::OwnedPartition};
use practice_groups::TopicSeen;
use practice_testbed::{
    Brokers, Kafka,
    clients::{self, Joins, Member, Transaction},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    scene::{Scene, group},
    truth::agreed,
};

const PROTOCOLS: [&str; 2] = ["Classic", "Consumer"];
/// Groups of other applications.
const OTHERS: [&str; 3] = ["theirs", "theirs-marked", "theirs-silent"];
/// A group of a broker that went is found anew when the session of its members is over, 45 s, and its consumers are back.
const LONGEST: Duration = Duration::from_mins(3);

/// A group of each protocol that reads one topic, `<topic>-<protocol>`.
fn pair(topic: &str, replicas: i32) -> [Value; 2] {
    PROTOCOLS.map(|protocol| {
        json!({"name": name(topic, protocol), "topics": [topic], "replicas": replicas, "protocol": protocol})
    })
}

fn name(what: &str, protocol: &str) -> String {
    format!("{what}-{protocol}")
}

/// Every partition that a group's status lists.
fn shares<'a>(status: &'a PracticeStatus, name: &str) -> Vec<&'a OwnedPartition> {
    let group = group(status, name);
    group
        .members
        .iter()
        .flat_map(|member| &member.partitions)
        .chain(&group.unowned)
        .collect()
}

/// Both groups of a topic have this lag, and so many members.
fn both(status: &PracticeStatus, topic: &str, members: usize, lag: Option<i64>) -> bool {
    PROTOCOLS.iter().all(|protocol| {
        let group = group(status, &name(topic, protocol));
        group.lag == lag && group.members.len() == members
    })
}

/// The one partition of both groups of a topic: why its lag is what it is, the lag, and what is lost.
fn told(status: &PracticeStatus, topic: &str) -> [(Option<String>, Option<i64>, Option<i64>); 2] {
    PROTOCOLS.map(|protocol| {
        let shares = shares(status, &name(topic, protocol));
        assert_eq!(shares.len(), 1, "{topic} has one partition: {status:#?}");
        (shares[0].lag_reason.clone(), shares[0].lag, shares[0].lost)
    })
}

fn ready(status: &PracticeStatus) -> bool {
    status.groups.iter().all(|group| group.group_id_owned)
        && status.topics.iter().all(|topic| topic.ready)
}

fn id_of(status: &PracticeStatus, topic: &str) -> Option<String> {
    status
        .topics
        .iter()
        .find(|status| status.name == topic)?
        .topic_id
        .clone()
}

/// Waits until status of practice `p` is so.
async fn until(
    scene: &Scene,
    what: &str,
    holds: impl Fn(&PracticeStatus) -> bool,
) -> PracticeStatus {
    scene.status_within(LONGEST, "p", what, holds).await
}

/// librdkafka waits.
async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(call)
        .await
        .expect("it does not panic")
}

/// The log cleaner runs every 15 s.
async fn compacted(bootstrap: &str) {
    let (begun, servers) = (Instant::now(), bootstrap.to_owned());
    loop {
        let servers = servers.clone();
        let first = blocking(move || clients::first_offset(&servers, "compacted")).await;
        if first > Some(10) {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_mins(2),
            "the first message is still {first:?}"
        );
        sleep(Duration::from_millis(500)).await;
    }
}

/// Idle, in a transaction, compacted, expired, made anew, never committed, and groups of other applications: a topic for each.
fn everything(bootstrap: &str, running: i32) -> Value {
    let compact = json!({"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"});
    let mut groups = Vec::new();
    for (topic, replicas) in [
        ("idle", 3),
        ("marked", 1),
        ("compacted", 1),
        ("expired", running),
        ("again", running),
        ("fresh", 0),
    ] {
        groups.extend(pair(topic, replicas));
    }
    for protocol in PROTOCOLS {
        groups.push(json!({"name": name("late", protocol), "topics": ["fresh"], "replicas": 0, "protocol": protocol,
            "autoOffsetReset": "latest"}));
    }
    json!({
        "kafka": {"bootstrapServers": bootstrap},
        "topics": [
            {"name": "idle", "partitions": 2}, {"name": "marked"}, {"name": "compacted", "config": compact},
            {"name": "expired"}, {"name": "again"}, {"name": "fresh"},
        ],
        "groups": groups,
        "producer": {"enabled": false},
    })
}

/// Both groups of each topic.
fn of(topics: &[&str]) -> Vec<String> {
    topics
        .iter()
        .flat_map(|topic| PROTOCOLS.map(|protocol| name(topic, protocol)))
        .collect()
}

/// What is there for the groups to read, and who else is there: one that has gone, one that stops at its last message, one
/// that commits nothing; and members that commit nothing of the groups that have no consumer of ours.
fn furnish(servers: &str) -> Vec<Member> {
    clients::send(servers, "idle", 10);
    clients::send(servers, "expired", 4);
    clients::send(servers, "again", 3);
    clients::send(servers, "fresh", 5);
    Transaction::begin(servers, "first", "marked", 2).commit();
    for _ in 0..4 {
        clients::send_keyed(servers, "compacted", "key", 50);
        std::thread::sleep(Duration::from_millis(200)); // so that the next ones begin another segment
    }
    clients::commit(servers, "theirs", "idle", 0, 4, "");
    clients::commit(servers, "theirs-marked", "marked", 0, 2, "");
    let mut members = vec![Member::join(
        servers,
        "theirs-silent",
        "idle",
        "a-client",
        Joins::Consumer,
    )];
    for group in ["fresh", "late"] {
        for (protocol, joins) in PROTOCOLS.into_iter().zip([Joins::Classic, Joins::Consumer]) {
            members.push(Member::join(
                servers,
                &name(group, protocol),
                "fresh",
                group,
                joins,
            ));
        }
    }
    members
}

fn at_rest(status: &PracticeStatus) -> bool {
    let read = [
        ("idle", 3),
        ("marked", 1),
        ("compacted", 1),
        ("expired", 1),
        ("again", 1),
    ];
    read.into_iter()
        .all(|(topic, members)| both(status, topic, members, Some(0)))
        && both(status, "fresh", 1, Some(5))
        && both(status, "late", 1, Some(5))
        && status.other_groups.len() == OTHERS.len()
}

fn judge_at_rest(status: &PracticeStatus) {
    for protocol in PROTOCOLS {
        assert_eq!(
            group(status, &name("idle", protocol)).idle,
            Some(1),
            "two partitions, three consumers"
        );
    }
    let plain = || (None, Some(0), None);
    assert_eq!(
        told(status, "marked"),
        [plain(), plain()],
        "the marker is passed"
    );
    assert_eq!(
        shares(status, "marked-Classic")[0].end,
        Some(3),
        "two messages and a marker"
    );
    assert_eq!(
        shares(status, "compacted-Classic")[0].end,
        Some(200),
        "compaction moves no end"
    );
    assert_eq!(
        told(status, "fresh"),
        [uncommitted(5), uncommitted(5)],
        "earliest"
    );
    assert_eq!(
        told(status, "late"),
        [(None, Some(5), None), (None, Some(5), None)],
        "latest: its start was pinned before the messages were sent"
    );
    let other_groups: Vec<(&str, Option<i64>, bool)> = status
        .other_groups
        .iter()
        .map(|group| (group.name.as_str(), group.lag, group.upper_bound))
        .collect();
    let expected = [
        ("theirs", Some(6), true),
        ("theirs-marked", Some(1), true),
        ("theirs-silent", Some(10), true),
    ];
    assert_eq!(
        other_groups, expected,
        "only who reads can tell a marker from a message"
    );
}

fn judge_disturbed(status: &PracticeStatus) {
    let open = || (None, Some(3), None);
    assert_eq!(
        told(status, "marked"),
        [open(), open()],
        "what is in an open transaction is not read yet"
    );
    let expired = || (Some("Expired".to_owned()), Some(3), Some(3));
    assert_eq!(told(status, "expired"), [expired(), expired()]);
    assert_eq!(
        told(status, "again"),
        [uncommitted(9), uncommitted(9)],
        "of the former topic nothing is carried over"
    );
}

fn uncommitted(lag: i64) -> (Option<String>, Option<i64>, Option<i64>) {
    (Some("NoCommit".to_owned()), Some(lag), None)
}

#[tokio::test]
async fn whatever_becomes_of_groups_status_says_what_kafkas_own_tool_says() {
    let scene = Scene::new("agreement").await;
    let kafka = Kafka::start().await; // of its own: who else reads is told when no practice has changed for a while
    let bootstrap = kafka.bootstrap().to_owned();
    let tool = async |class: &str, args: &[&str]| kafka.tool(class, args).await;
    let pods = scene.run_pods();
    scene.apply("p", &everything(&bootstrap, 1)).await;
    until(&scene, "everything is there", ready).await;
    let servers = bootstrap.clone();
    let members = blocking(move || furnish(&servers)).await;
    compacted(&bootstrap).await;
    until(&scene, "all is read, and others are known", at_rest).await;
    let topics = [
        "idle",
        "marked",
        "compacted",
        "expired",
        "again",
        "fresh",
        "late",
    ];
    let all = [of(&topics), OTHERS.map(str::to_owned).to_vec()].concat();
    judge_at_rest(&agreed("at rest", &scene, "p", tool, &bootstrap, &all).await);

    // consumers go, messages are deleted that they have not read, a topic is made anew, a transaction is open
    scene.apply("p", &everything(&bootstrap, 0)).await;
    let gone = |s: &PracticeStatus| both(s, "expired", 0, Some(0)) && both(s, "again", 0, Some(0));
    let former = id_of(
        &until(&scene, "their consumers have left", gone).await,
        "again",
    );
    let delete = [
        "--bootstrap-server",
        &bootstrap,
        "--delete",
        "--topic",
        "again",
    ];
    kafka
        .tool("org.apache.kafka.tools.TopicCommand", &delete)
        .await;
    let servers = bootstrap.clone();
    let open = blocking(move || {
        clients::send(&servers, "expired", 6);
        Transaction::begin(&servers, "second", "marked", 3)
    })
    .await;
    kafka.delete_records("expired", 7).await;
    let is_anew = |s: &PracticeStatus| id_of(s, "again").is_some_and(|id| Some(id) != former);
    until(&scene, "the topic is recreated", is_anew).await;
    let servers = bootstrap.clone();
    blocking(move || clients::send(&servers, "again", 9)).await;
    let disturbed = |s: &PracticeStatus| {
        both(s, "marked", 1, Some(3))
            && both(s, "expired", 0, Some(3))
            && both(s, "again", 0, Some(9))
    };
    until(&scene, "all of that is seen", disturbed).await;
    // a group that has neither members nor commits is none to Kafka's tool
    let topics = ["idle", "marked", "compacted", "expired", "fresh", "late"];
    let all = [of(&topics), OTHERS.map(str::to_owned).to_vec()].concat();
    judge_disturbed(&agreed("disturbed", &scene, "p", tool, &bootstrap, &all).await);

    blocking(|| open.commit()).await;
    scene.apply("p", &everything(&bootstrap, 1)).await;
    let topics = ["marked", "expired", "again"];
    let over = |s: &PracticeStatus| topics.iter().all(|topic| both(s, topic, 1, Some(0)));
    until(&scene, "all is read again", over).await;
    let status = agreed("over", &scene, "p", tool, &bootstrap, &of(&topics)).await;
    assert_eq!(shares(&status, "again-Consumer")[0].committed, Some(9));
    assert_eq!(
        shares(&status, "marked-Consumer")[0].committed,
        Some(7),
        "five messages and two markers"
    );
    blocking(|| drop(members)).await;
    drop(pods);
}

#[tokio::test]
async fn while_one_of_three_brokers_is_down_status_says_what_kafkas_own_tool_says() {
    let scene = Scene::new("broker-down").await;
    let brokers = Brokers::start(3).await;
    let bootstrap = brokers.bootstrap();
    let tool = async |class: &str, args: &[&str]| brokers.tool(class, args).await;
    let pods = scene.run_pods();
    let mut groups = pair("safe", 1).to_vec();
    groups.push(json!({"name": "of-single", "topics": ["single"], "replicas": 0}));
    let spec = json!({
        "kafka": {"bootstrapServers": bootstrap},
        "topics": [{"name": "single", "partitions": 3}, {"name": "safe", "partitions": 2, "replicationFactor": 3}],
        "groups": groups,
        "producer": {"enabled": false},
    });
    scene.apply("p", &spec).await;
    until(&scene, "everything is there", ready).await;
    let servers = bootstrap.clone();
    blocking(move || {
        clients::send(&servers, "safe", 5);
        clients::commit_all(&servers, "of-single", "single", 0..=2, 0, "");
    })
    .await;
    let of_single = |s: &PracticeStatus| group(s, "of-single").lag;
    let read = |s: &PracticeStatus| both(s, "safe", 1, Some(0)) && of_single(s) == Some(0);
    until(&scene, "all is read", read).await;
    let safe = PROTOCOLS.map(|protocol| name("safe", protocol));
    let all = [&safe[..], &["of-single".to_owned()]].concat();
    agreed("three brokers", &scene, "p", tool, &bootstrap, &all).await;

    let look = practice_kafka::Kafka::connect(&bootstrap)
        .observe(&["single".to_owned()], &[])
        .await;
    let Some(TopicSeen::Present(facts)) = look.expect("Kafka answers").topics.remove("single")
    else {
        panic!("the topic is there")
    };
    let victim = facts.copies[1].leader.expect("it has a leader");
    brokers
        .kill(usize::try_from(victim).expect("positive"))
        .await;
    let known = |s: &PracticeStatus| both(s, "safe", 1, Some(0)) && of_single(s).is_none();
    until(&scene, "what only it knew is unknown", known).await;
    // of a partition that nobody leads Kafka's tool says nothing but an error, for all groups of a call
    let status = agreed("one of three is down", &scene, "p", tool, &bootstrap, &safe).await;
    let single = shares(&status, "of-single");
    let unknown: Vec<bool> = single.iter().map(|share| share.lag.is_none()).collect();
    assert_eq!(
        unknown,
        [0, 1, 2].map(|number: usize| facts.copies[number].leader == Some(victim)),
        "{single:?}"
    );
    assert_eq!(
        status.summary.lag, None,
        "null, not what the others add up to"
    );

    brokers
        .restart(usize::try_from(victim).expect("positive"))
        .await;
    until(&scene, "it is back", read).await;
    drop(pods);
}
