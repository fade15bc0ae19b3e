//! What is down: a Kafka that is not there, silent or gone for a while; the API server; an object that cannot be decoded.
//! Each is reported, holds up nothing else, and is over when it is over. How soon an outage of Kafka is reported is measured on the node
//! (`tests/long/outage.rs`): here a poll and a reconcile that wait for it may take 20 s of a wait.

use std::time::Duration;

use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use practice_testbed::{Cluster, Kafka};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    operator,
    scene::{Scene, group, looser_crd},
};

fn on(scene: &Scene, bootstrap: &str, replicas: i32) -> Value {
    json!({
        "kafka": {"bootstrapServers": bootstrap},
        "topics": [{"name": scene.name("t"), "partitions": 2}],
        "groups": [{"name": scene.name("g"), "replicas": replicas}],
    })
}

#[tokio::test]
async fn a_kafka_that_is_not_there_is_told_and_holds_up_nobody() {
    let scene = Scene::new("unreachable").await;
    let refused = "127.0.0.1:1";
    scene.apply("refused", &on(&scene, refused, 1)).await;
    scene
        .apply("unknown", &on(&scene, "no-such-host.invalid:9092", 1))
        .await;
    scene
        .condition("refused", "KafkaReachable=False/ConnectionRefused")
        .await;
    scene
        .condition("unknown", "KafkaReachable=False/Unreachable")
        .await;
    for name in ["refused", "unknown"] {
        let message = scene.condition(name, "Ready=False/KafkaUnreachable").await;
        assert!(
            !message.contains("127.0.0.1") && !message.contains("no-such-host"),
            "no scan of ports: {message}"
        );
        // the objects are there, their consumers wait for the claim
        scene
            .has_replicas(&format!("{name}-{}", scene.name("g")), 0)
            .await;
        scene.deployment(&format!("{name}-producer")).await;
        let status = scene
            .practice(name)
            .await
            .expect("it is there")
            .status
            .expect("it is set");
        assert_eq!(
            (status.summary.lag, status.summary.consumers),
            (None, None),
            "unknown is not 0"
        );
    }
    scene.event("KafkaUnreachable", "").await;

    // others do not wait
    scene
        .apply(
            "fine",
            &json!({"topics": [{"name": scene.name("fine")}], "producer": {"enabled": false}}),
        )
        .await;
    scene.ready("fine").await;

    // the name is corrected
    scene
        .apply("refused", &on(&scene, scene.kafka.bootstrap(), 1))
        .await;
    scene.condition("refused", "KafkaReachable=True").await;
    scene
        .has_replicas(&format!("refused-{}", scene.name("g")), 1)
        .await;
}

#[tokio::test]
async fn a_kafka_that_is_silent_or_stopped_is_missed_and_found_again() {
    let scene = Scene::new("outage").await;
    let kafka = Kafka::start().await;
    let pods = scene.run_pods();
    scene.apply("p", &on(&scene, kafka.bootstrap(), 2)).await;
    scene.ready("p").await;
    kafka.send(&scene.name("t"), 0, "before").await;
    let read = |s: &practice_api::PracticeStatus| {
        s.summary.lag == Some(0) && s.summary.consumers == Some(2)
    };
    scene.status("p", "it is read", read).await;
    let name = format!("p-{}", scene.name("g"));

    kafka.pause();
    scene.condition("p", "KafkaReachable=False").await;
    scene.condition("p", "Ready=False/KafkaUnreachable").await;
    let status = scene
        .practice("p")
        .await
        .expect("it is there")
        .status
        .expect("it is set");
    assert_eq!(
        (
            status.summary.lag,
            status.groups[0].lag,
            status.groups[0].group_id_owned
        ),
        (None, None, true)
    );
    assert!(status.topics[0].ready, "out of sight is not gone");
    assert_eq!(
        scene.replicas(&name).await,
        2,
        "what is owned keeps running"
    );
    // a change that needs no Kafka is made all the same, and one that does when Kafka is back
    let mut changed = on(&scene, kafka.bootstrap(), 3);
    changed["topics"][0]["config"] = json!({"retention.ms": "60000"});
    scene.apply("p", &changed).await;
    scene.has_replicas(&name, 3).await;
    let seen = |s: &practice_api::PracticeStatus| s.topics[0].ready;
    scene
        .status("p", "it is seen, and Kafka is not", seen)
        .await;
    kafka.resume();
    scene.condition("p", "KafkaReachable=True").await;
    scene.event("TopicConfigured", "retention.ms=60000").await;
    let set = practice_kafka::Kafka::connect(kafka.bootstrap())
        .topic_config(&scene.name("t"))
        .await;
    assert_eq!(
        set.expect("can be read")
            .get("retention.ms")
            .map(|value| value.value.as_str()),
        Some("60000")
    );
    scene
        .status("p", "3 members", |s| {
            s.summary.consumers == Some(3) && s.summary.lag == Some(0)
        })
        .await;
    scene.ready("p").await;

    kafka.stop().await;
    scene.condition("p", "KafkaReachable=False").await;
    kafka.restart().await;
    scene.condition("p", "KafkaReachable=True").await;
    scene
        .status("p", "3 members again", |s| {
            s.summary.consumers == Some(3) && s.summary.lag == Some(0)
        })
        .await;
    scene.ready("p").await;
    scene.quiet().await;
    drop(pods);
}

#[tokio::test]
async fn consumers_keep_running_until_the_kafka_of_a_changed_address_is_reached() {
    let scene = Scene::new("moved").await;
    let (former, next) = tokio::join!(Kafka::start(), Kafka::start());
    let _pods = scene.run_pods();
    scene.apply("p", &on(&scene, former.bootstrap(), 2)).await;
    scene.ready("p").await;
    let (group_id, workers, producer) = (
        scene.name("g"),
        format!("p-{}", scene.name("g")),
        "p-producer",
    );
    let before = [
        scene.deployment(&workers).await,
        scene.deployment(producer).await,
    ];
    // accepts connections, and answers as no Kafka does
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let not_kafka = listener.local_addr().expect("it is bound").to_string();
    let _answers = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .ok();
        }
    })
    .abort_handle();
    for (bootstrap, expected) in [
        ("127.0.0.1:1", "ConnectionRefused"),
        ("no-such-host.invalid:9092", "Unreachable"),
        (not_kafka.as_str(), "NotKafka"),
    ] {
        let mut spec = on(&scene, bootstrap, 2);
        let new = json!({"name": scene.name("new"), "replicas": 1});
        spec["groups"].as_array_mut().expect("a list").push(new);
        scene.apply("p", &spec).await;
        scene
            .condition("p", &format!("KafkaReachable=False/{expected}"))
            .await;
        let message = scene.condition("p", "Reconciling=True").await;
        assert!(
            message.contains(former.bootstrap()) && message.contains(bootstrap),
            "{message}"
        );
        let status = scene
            .status("p", "the new group is there", |s| s.groups.len() == 2)
            .await;
        assert_eq!(
            status.bootstrap_servers.as_deref(),
            Some(former.bootstrap()),
            "where they run"
        );
        assert!(status.owns_group_id(&group_id) && !status.owns_group_id(&scene.name("new")));
        scene
            .has_replicas(&format!("p-{}", scene.name("new")), 0)
            .await;
        for deployment in &before {
            let now = scene
                .deployment(deployment.metadata.name.as_deref().expect("it has a name"))
                .await;
            assert_eq!(
                now.spec, deployment.spec,
                "neither stopped nor moved to {bootstrap}"
            );
        }
    }

    scene.apply("p", &on(&scene, next.bootstrap(), 2)).await;
    scene
        .status("p", "it runs there", |s| {
            s.bootstrap_servers.as_deref() == Some(next.bootstrap())
        })
        .await;
    scene.ready("p").await;
    for name in [workers.as_str(), producer] {
        scene
            .until(&format!("{name} is moved"), async || {
                let spec = json!(scene.deployment(name).await.spec);
                let servers = spec["template"]["spec"]["containers"][0]["env"][0]["value"].clone();
                if servers == next.bootstrap() {
                    Ok(())
                } else {
                    Err(servers.to_string())
                }
            })
            .await;
    }
    scene.has_replicas(&workers, 2).await;
    scene.quiet().await;
}

#[tokio::test]
async fn what_kafka_denies_is_named_with_the_right_to_grant() {
    let scene = Scene::new("denied").await;
    let kafka = Kafka::start_with_access_control().await;
    let _pods = scene.run_pods();
    let (topic, id) = (scene.name("t"), scene.name("g"));
    kafka.deny("Describe", ["--topic", &topic]).await;
    scene.apply("p", &on(&scene, kafka.bootstrap(), 1)).await;
    let denied = |resource: &str, right: &str| {
        format!(
            "{resource}: Kafka denied {right} to this client, which connects without authentication: grant it on {resource}"
        )
    };
    let message = scene.condition("p", "TopicsReady=False").await;
    assert_eq!(message, denied(&format!("topic {topic}"), "Describe"));
    let message = scene
        .condition("p", "Stalled=True/AuthorizationFailed")
        .await;
    assert_eq!(message, denied(&format!("topic {topic}"), "Describe"));
    scene
        .condition("p", "Ready=False/AuthorizationFailed")
        .await;
    scene.event("Stalled", "AuthorizationFailed").await;
    kafka.allow("Describe", ["--topic", &topic]).await;
    scene.ready("p").await;
    assert_eq!(
        scene.condition("p", "Stalled=False").await,
        "nothing blocks reconciliation"
    );

    // a right that only a change needs
    kafka.deny("AlterConfigs", ["--topic", &topic]).await;
    let mut spec = on(&scene, kafka.bootstrap(), 1);
    spec["topics"][0]["config"] = json!({"retention.ms": "60000"});
    scene.apply("p", &spec).await;
    let message = scene
        .condition("p", "Stalled=True/AuthorizationFailed")
        .await;
    assert_eq!(message, denied(&format!("topic {topic}"), "AlterConfigs"));
    scene.apply("p", &on(&scene, kafka.bootstrap(), 1)).await;
    scene.ready("p").await;

    // a group that is owned keeps running; one that is new does not start
    kafka.deny("Describe", ["--group", &id]).await;
    let new = scene.name("new");
    kafka.deny("Describe", ["--group", &new]).await;
    let mut spec = on(&scene, kafka.bootstrap(), 1);
    spec["groups"]
        .as_array_mut()
        .expect("a list")
        .push(json!({"name": new, "replicas": 1}));
    scene.apply("p", &spec).await;
    let message = scene
        .condition("p", "Stalled=True/AuthorizationFailed")
        .await;
    assert_eq!(message, denied(&format!("group {new}"), "Describe"));
    let status = scene
        .status("p", "both are unknown", |s| {
            s.groups.iter().all(|group| group.state == "Unknown")
        })
        .await;
    assert_eq!(
        (status.owns_group_id(&id), status.owns_group_id(&new)),
        (true, false)
    );
    scene.has_replicas(&format!("p-{id}"), 1).await;
    scene.has_replicas(&format!("p-{new}"), 0).await;
    kafka.allow("Describe", ["--group", &id]).await;
    kafka.allow("Describe", ["--group", &new]).await;
    scene.ready("p").await;
    scene.has_replicas(&format!("p-{new}"), 1).await;
}

#[tokio::test]
async fn a_kafka_that_knows_only_classic_groups_is_told_and_runs_those() {
    let scene = Scene::new("classic").await;
    let kafka = Kafka::start_with_classic_groups_only().await;
    let _pods = scene.run_pods();
    let (old, new) = (scene.name("old"), scene.name("new"));
    let spec = |protocol: &str| {
        json!({
            "kafka": {"bootstrapServers": kafka.bootstrap()},
            "topics": [{"name": scene.name("t"), "partitions": 2}],
            "groups": [{"name": old, "replicas": 1}, {"name": new, "replicas": 1, "protocol": protocol}],
        })
    };
    scene.apply("p", &spec("Consumer")).await;
    let message = scene
        .condition("p", "Ready=False/ProtocolUnsupported")
        .await;
    assert!(
        message.contains(&new) && message.contains("Classic"),
        "it names the group and the fix: {message}"
    );
    scene
        .condition("p", "Stalled=True/ProtocolUnsupported")
        .await;
    scene.event("Stalled", "ProtocolUnsupported").await;
    let status = scene
        .status("p", "the other group runs", |s| {
            group(s, &old).members.len() == 1
        })
        .await;
    assert!(group(&status, &old).group_id_owned && !group(&status, &new).group_id_owned);
    scene.has_replicas(&format!("p-{new}"), 0).await; // no consumer that could only fail
    scene.quiet().await;

    scene.apply("p", &spec("Classic")).await;
    scene.ready("p").await;

    // one that runs and is to speak what this Kafka does not know
    scene.apply("p", &spec("Consumer")).await;
    scene
        .condition("p", "Ready=False/ProtocolUnsupported")
        .await;
    scene.has_replicas(&format!("p-{new}"), 0).await;
    let told = |s: &practice_api::PracticeStatus| {
        let newest = s.rebalances.iter().find(|rebalance| rebalance.group == new);
        newest
            .filter(|newest| newest.left == 1)
            .and_then(|newest| newest.cause.clone())
    };
    let status = scene
        .status("p", "status reports why its consumer left", |s| {
            told(s).is_some()
        })
        .await;
    assert_eq!(
        told(&status).as_deref(),
        Some("StoppedBySpec"),
        "no scaling: {:?}",
        status.rebalances
    );
}

#[tokio::test]
async fn an_api_server_that_was_away_and_an_object_that_cannot_be_read_blind_nobody() {
    let cluster = Cluster::start().await;
    cluster.apply_crd(&looser_crd()).await;
    let scene = Scene::of(&cluster, "away").await;
    let resource = ApiResource::erase::<practice_api::ConsumerGroupPractice>(&());
    let untyped: Api<DynamicObject> =
        Api::namespaced_with(cluster.client(), &scene.namespace, &resource);
    let odd =
        DynamicObject::new("odd", &resource).data(json!({"spec": {"topics": "none of them"}}));
    untyped
        .create(&PostParams::default(), &odd)
        .await
        .expect("the looser definition takes it");

    let stop = CancellationToken::new();
    let account = operator::start(&cluster, stop.clone()).await;
    let spec = |partitions: i32| {
        json!({"topics": [{"name": scene.name("t"), "partitions": partitions}],
            "groups": [{"name": scene.name("g"), "replicas": 0}], "producer": {"enabled": false}})
    };
    scene.apply("p", &spec(1)).await;
    scene.ready("p").await;
    untyped
        .patch(
            "odd",
            &PatchParams::default(),
            &Patch::Merge(json!({"spec": {"topics": 7}})),
        )
        .await
        .expect("again");
    scene.apply("p", &spec(2)).await;
    scene
        .status("p", "it is still served", |s| {
            s.topics[0].partitions == Some(2) && s.topics[0].ready
        })
        .await;
    let about_odd = cluster.audit_in(&scene.namespace, &account.namespace, account.name);
    assert!(
        about_odd.iter().all(|write| !write.ends_with(" odd")),
        "it is left alone: {about_odd:?}"
    );

    cluster.stop().await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    cluster.restart().await;
    scene.apply("p", &spec(3)).await;
    scene
        .status("p", "it continues", |s| {
            s.topics[0].partitions == Some(3) && s.topics[0].ready
        })
        .await;
    scene.ready("p").await;
    stop.cancel();
}
