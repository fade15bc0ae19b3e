//! Names that are somebody else's, in Kubernetes and in Kafka: refused, told, never touched.

use std::time::Duration;

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service};
use kube::{ResourceExt, api::PostParams};
use practice_contract::{Assignor, Hold, OffsetReset, Protocol, WorkerSettings};
use practice_groups::{ByPartition, GroupSeen, GroupState};
use practice_kafka::Kafka;
use serde_json::json;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    operator::RUNTIME,
    pods::consume,
    scene::{Scene, group},
    stopped::{reported, run_a_pod},
};

/// A consumer that is not of any practice.
fn stranger(scene: &Scene, topic: &str, group: &str) -> DropGuard {
    let stop = CancellationToken::new();
    let settings = WorkerSettings {
        servers: scene.kafka.bootstrap().to_owned(),
        topics: vec![topic.to_owned()],
        group: group.to_owned(),
        delay: Duration::ZERO,
        listen: "127.0.0.1:0".parse().expect("an address"),
        probes: None,
        instance: Some("stranger".to_owned()),
        owner: None,
        protocol: Protocol::Classic,
        assignor: Assignor::CooperativeSticky,
        offset_reset: OffsetReset::Earliest,
        session_timeout: Duration::from_secs(6),
        heartbeat_interval: Duration::from_secs(2),
        max_poll_interval: Duration::from_mins(1),
        log_messages: false,
        hold: None,
        ledger: None,
    };
    RUNTIME.spawn(consume(settings, stop.clone()));
    stop.drop_guard()
}

/// Waits until Kafka says this of a group.
async fn until_group(scene: &Scene, id: &str, what: &str, holds: impl Fn(&GroupSeen) -> bool) {
    let kafka = Kafka::connect(scene.kafka.bootstrap());
    let groups = [id.to_owned()];
    scene
        .until(what, async || {
            let seen = kafka
                .observe(&[], &groups)
                .await
                .map_err(|error| error.to_string())?;
            let seen = seen.groups.get(id).expect("it was asked for");
            if holds(seen) {
                Ok(())
            } else {
                Err(format!("{seen:?}"))
            }
        })
        .await;
}

#[tokio::test]
async fn an_object_that_is_not_ours_is_never_touched() {
    let scene = Scene::new("names").await;
    let id = scene.name("g");
    let name = format!("p-{id}");
    let theirs: Deployment = serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"app": "theirs"}},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "theirs"}},
            "template": {"metadata": {"labels": {"app": "theirs"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}},
    }))
    .expect("a Deployment");
    let theirs = scene
        .api()
        .create(&PostParams::default(), &theirs)
        .await
        .expect("may be made");
    let service: Service = serde_json::from_value(json!({
        // the practice's own label does not make it ours
        "metadata": {"name": "p-producer", "labels": {"kafka-practice.dev/practice": "p"}},
        "spec": {"ports": [{"port": 1}]},
    }))
    .expect("a Service");
    let service = scene
        .api()
        .create(&PostParams::default(), &service)
        .await
        .expect("may be made");
    scene.apply("p", &json!({"topics": [{"name": scene.name("t")}], "groups": [{"name": id, "replicas": 1}]})).await;
    let message = scene.condition("p", "Ready=False/NameConflict").await;
    assert!(
        message.contains(&format!("Deployment {name}")) && message.contains("Service p-producer"),
        "{message}"
    );
    scene.condition("p", "Stalled=True/NameConflict").await;
    scene.event("Stalled", "NameConflict").await;
    scene.quiet().await;
    let untouched = |before: &dyn ResourceVersion, after: &dyn ResourceVersion| {
        assert_eq!(before.version(), after.version());
    };
    untouched(
        &theirs,
        &scene.get::<Deployment>(&name).await.expect("it is there"),
    );
    untouched(
        &service,
        &scene
            .get::<Service>("p-producer")
            .await
            .expect("it is there"),
    );
    scene.delete("p").await;
    scene.gone("p").await;
    untouched(
        &theirs,
        &scene.get::<Deployment>(&name).await.expect("it is there"),
    );
}

/// What changes with every write.
trait ResourceVersion {
    fn version(&self) -> Option<String>;
}

impl<K: ResourceExt> ResourceVersion for K {
    fn version(&self) -> Option<String> {
        self.resource_version()
    }
}

#[tokio::test]
async fn a_group_with_a_foreign_member_or_commit_is_not_joined() {
    let scene = Scene::new("foreign").await;
    let _pods = scene.run_pods();
    let (topic, id) = (scene.name("t"), scene.name("g"));
    scene.kafka.create_topic(&topic, 2).await;
    scene.kafka.send(&topic, 0, "theirs").await;
    let member = stranger(&scene, &topic, &id);
    until_group(
        &scene,
        &id,
        "the stranger has joined and committed",
        |seen| {
            seen.state == GroupState::Stable
                && seen.committed.as_ref().is_some_and(|all| !all.is_empty())
        },
    )
    .await;
    let spec = json!({"topics": [{"name": topic, "partitions": 2}], "groups": [{"name": id, "replicas": 2}]});
    scene.apply("p", &spec).await;
    let message = scene.condition("p", "Ready=False/GroupConflict").await;
    assert!(
        message.contains(&format!("group id {id} is in use: member stranger")),
        "{message}"
    );
    scene.condition("p", "Stalled=True/GroupConflict").await;
    let status = scene
        .status("p", "not claimed", |s| {
            !s.groups[0].group_id_owned && s.groups[0].members.len() == 1
        })
        .await;
    assert_eq!(status.groups[0].members[0].pod, None);
    scene.has_replicas(&format!("p-{id}"), 0).await;

    // it goes, and leaves its commits
    drop(member);
    until_group(&scene, &id, "the stranger has left", |seen| {
        seen.state == GroupState::Empty
    })
    .await;
    let committed = format!("the committed offset of {topic}/");
    scene
        .until("its commits are seen", async || {
            let message = scene.condition("p", "Stalled=True/GroupConflict").await;
            if message.contains(&committed) {
                Ok(())
            } else {
                Err(message)
            }
        })
        .await;
    scene.has_replicas(&format!("p-{id}"), 0).await;

    // another group id of the same manifest is its own
    let other = scene.name("other");
    let spec = json!({"topics": [{"name": topic, "partitions": 2}], "groups": [{"name": other, "replicas": 1}]});
    scene.apply("p", &spec).await;
    scene.ready("p").await;
}

#[tokio::test]
async fn a_group_whose_id_is_not_owned_consumes_nothing_when_it_is_scaled() {
    let scene = Scene::new("unowned").await;
    let _pods = scene.run_pods();
    let (topic, id) = (scene.name("t"), scene.name("g"));
    scene.kafka.create_topic(&topic, 1).await;
    scene.kafka.send(&topic, 0, "theirs").await;
    let member = stranger(&scene, &topic, &id);
    let has_committed = |seen: &GroupSeen| {
        let mut commits = seen.committed.iter().flat_map(ByPartition::values);
        commits.any(|committed| committed.offset == 1)
    };
    until_group(&scene, &id, "the stranger has committed", has_committed).await;
    drop(member);
    until_group(&scene, &id, "the stranger has left", |seen| {
        seen.state == GroupState::Empty
    })
    .await;
    scene.kafka.send(&topic, 0, "waits").await;
    let spec = json!({"topics": [{"name": topic, "partitions": 1}], "groups": [{"name": id}], "producer": {"enabled": false}});
    scene.apply("p", &spec).await;
    scene.condition("p", "Stalled=True/GroupConflict").await;
    let name = format!("p-{id}");
    let held = scene.deployment(&name).await;
    assert_eq!(run_a_pod(&held).await, Some(Hold::Unclaimed));
    scene.scale(&name, "kubectl", 3).await;
    let text =
        format!("kubectl scaled Deployment {name} to 3, but its group does not own its group id");
    scene.event("HeldGroupScaled", &text).await;
    scene.has_replicas(&name, 0).await;
    scene.quiet().await;
    assert_eq!(reported(&scene, "HeldGroupScaled").await.0, 1);
    until_group(&scene, &id, "nothing else is committed", |seen| {
        seen.state == GroupState::Empty && has_committed(seen)
    })
    .await;
}

#[tokio::test]
async fn a_group_id_of_two_practices_is_the_elders() {
    let scene = Scene::new("elder").await;
    let id = scene.name("g");
    let spec = json!({"topics": [{"name": scene.name("t")}], "groups": [{"name": id, "replicas": 1}], "producer": {"enabled": false}});
    let pods = scene.run_pods();
    scene.apply("elder", &spec).await;
    scene.ready("elder").await;
    tokio::time::sleep(Duration::from_secs(1)).await; // creation times are whole seconds
    scene.apply("younger", &spec).await;
    let message = scene
        .condition("younger", "Ready=False/GroupConflict")
        .await;
    assert!(
        message.contains(&format!(
            "belongs to the older practice {}/elder",
            scene.namespace
        )),
        "{message}"
    );
    scene.has_replicas(&format!("younger-{id}"), 0).await;
    let status = scene.ready("elder").await;
    assert_eq!(group(&status, &id).members.len(), 1);
    drop(pods);
}

#[tokio::test]
async fn two_practices_at_once_do_not_both_claim_a_group_id() {
    let scene = Scene::new("race").await;
    let topic = json!([{"name": scene.name("t")}]);
    for round in 0..6 {
        let spec = json!({"topics": topic, "groups": [{"name": scene.name(&format!("g{round}")), "replicas": 1}], "producer": {"enabled": false}});
        let names = [format!("a{round}"), format!("b{round}")];
        scene.apply(&names[0], &spec).await;
        tokio::time::sleep(Duration::from_millis(30 * round)).await; // the first is being reconciled
        scene.apply(&names[1], &spec).await;
        let decided = scene.until("one has it and one is refused", async || {
            let mut claimed = Vec::new();
            for name in &names {
                let status = scene.practice(name).await?.status.ok_or("no status yet")?;
                let group = status.groups.first().ok_or("no group yet")?;
                claimed.push((group.group_id_owned, group.replicas));
            }
            match claimed[..] {
                [(true, 1), (false, 0)] | [(false, 0), (true, 1)] => Ok(()),
                [(true, _), (true, _)] => Err("both have it".to_owned()),
                _ => Err(format!("{claimed:?}")),
            }
        });
        decided.await;
    }
}

#[tokio::test]
async fn a_practice_that_is_applied_again_goes_on_where_it_stopped() {
    let scene = Scene::new("again").await;
    let (topic, id) = (scene.name("t"), scene.name("g"));
    let spec = json!({"topics": [{"name": topic}], "groups": [{"name": id, "replicas": 1}], "producer": {"enabled": false}});
    let pods = scene.run_pods();
    scene.apply("p", &spec).await;
    scene.ready("p").await;
    scene.kafka.send(&topic, 0, "ours").await;
    let ours = format!("kafka-practice:{}/p", scene.namespace);
    until_group(&scene, &id, "it has committed", |seen| {
        seen.committed
            .as_ref()
            .is_some_and(|all| all.len() == 1 && all.values().all(|c| *c.metadata == *ours))
    })
    .await;
    scene.delete("p").await;
    scene.gone("p").await;
    let again = async {
        until_group(&scene, &id, "its consumer has left", |seen| {
            seen.members.is_empty()
        })
        .await;
        scene.apply("p", &spec).await;
        scene.ready("p").await
    };
    let status = tokio::select! {
        status = again => status,
        never = scene.collect_garbage() => match never {},
    };
    assert!(group(&status, &id).group_id_owned && group(&status, &id).members.len() == 1);
    // under another name it is somebody else
    scene.delete("p").await;
    scene.gone("p").await;
    scene.apply("q", &spec).await;
    scene.condition("q", "Ready=False/GroupConflict").await;
    drop(pods);
}
