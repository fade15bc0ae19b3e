//! Group ids of a practice that nothing in its status shows: after a reset with Kafka's own tools, and without any status.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use practice_api::{ConsumerGroupPractice, PracticeStatus};
use practice_groups::GroupState;
use practice_kafka::Kafka as Client;
use practice_testbed::{Cluster, Kafka, described::CONSUMER_GROUP_COMMAND};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    operator,
    scene::{Scene, group},
};

/// Deletes practice `p`, waits until its consumers have left, and resets the committed offsets of `what` to the oldest messages.
async fn delete_and_reset(scene: &Scene, id: &str, what: &[&str]) {
    scene.delete("p").await;
    scene.gone("p").await;
    let kafka = Client::connect(scene.kafka.bootstrap());
    let groups = [id.to_owned()];
    let left = async || {
        let seen = kafka
            .observe(&[], &groups)
            .await
            .map_err(|error| error.to_string())?;
        match &seen.groups[id] {
            seen if seen.state == GroupState::Empty => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    };
    scene.until("its consumers have left", left).await;
    let servers = ["--bootstrap-server", scene.kafka.bootstrap(), "--group", id];
    let reset = ["--reset-offsets", "--to-earliest", "--execute"];
    let args = [&servers[..], &reset[..], what].concat();
    scene.kafka.tool(CONSUMER_GROUP_COMMAND, &args).await;
}

fn committed(status: &PracticeStatus) -> Vec<Option<i64>> {
    let mut shares: Vec<_> = status.groups[0].shares().collect();
    shares.sort_by_key(|share| share.partition);
    shares.into_iter().map(|share| share.committed).collect()
}

#[tokio::test]
async fn offsets_that_kafkas_own_tools_reset_are_the_practices() {
    let scene = Scene::new("reset").await;
    tokio::select! {
        () = reset_offsets(&scene) => {}
        // to the end: a reconcile that was under way when the practice went may still create objects of it
        never = scene.collect_garbage() => match never {},
    }
}

async fn reset_offsets(scene: &Scene) {
    let (topic, id) = (scene.name("t"), scene.name("g"));
    let spec = json!({"topics": [{"name": topic, "partitions": 2}], "groups": [{"name": id, "replicas": 1}],
        "producer": {"enabled": false}});
    let _pods = scene.run_pods();
    scene.apply("p", &spec).await;
    scene.ready("p").await;
    for partition in [0, 0, 0, 1, 1] {
        scene.kafka.send(&topic, partition, "message").await;
    }
    let read = |s: &PracticeStatus| committed(s) == [Some(3), Some(2)] && s.summary.lag == Some(0);
    scene.status("p", "all is read", read).await;

    // some commits have metadata of the practice, others none
    delete_and_reset(scene, &id, &["--topic", &format!("{topic}:0")]).await;
    scene.apply("p", &spec).await;
    let status = scene.ready("p").await;
    assert!(group(&status, &id).group_id_owned);
    scene.status("p", "partition 0 is read again", read).await;

    // none has: nothing shows whose they are, and the advice keeps them
    delete_and_reset(scene, &id, &["--all-topics"]).await;
    scene.apply("p", &spec).await;
    let message = scene.condition("p", "Stalled=True/GroupConflict").await;
    let claim = format!(
        "kubectl annotate cgp p -n {} kafka-practice.dev/claim-groups={id}",
        scene.namespace
    );
    assert!(
        message.contains(&claim) && !message.contains("delete"),
        "{message}"
    );
    scene.has_replicas(&format!("p-{id}"), 0).await;
    let reset = |s: &PracticeStatus| committed(s) == [Some(0), Some(0)];
    scene.status("p", "the reset stays", reset).await;
    let annotation = json!({"metadata": {"annotations": {"kafka-practice.dev/claim-groups": id}}});
    scene
        .api::<ConsumerGroupPractice>()
        .patch("p", &PatchParams::default(), &Patch::Merge(annotation))
        .await
        .expect("may be annotated");
    scene.ready("p").await;
    scene.status("p", "everything is read again", read).await;
}

#[tokio::test]
async fn consumers_of_a_practice_without_status_keep_running_while_kafka_is_down() {
    let cluster = Cluster::start().await;
    cluster.apply_crd(&practice_api::crd_yaml()).await;
    let scene = Scene::of(&cluster, "lost").await;
    let kafka = Kafka::start().await;
    let (runs, refused) = (scene.name("runs"), scene.name("refused"));
    kafka.create_topic(&scene.name("t"), 1).await;
    practice_testbed::clients::commit(kafka.bootstrap(), &refused, &scene.name("t"), 0, 0, "");
    let spec = json!({
        "kafka": {"bootstrapServers": kafka.bootstrap()},
        "topics": [{"name": scene.name("t")}],
        "groups": [{"name": runs, "replicas": 2}, {"name": refused, "replicas": 1}],
        "producer": {"enabled": false},
    });
    let stop = CancellationToken::new();
    let former = operator::start(&cluster, stop.clone()).await;
    scene.apply("p", &spec).await;
    scene.condition("p", "Stalled=True/GroupConflict").await;
    scene.has_replicas(&format!("p-{runs}"), 2).await;
    scene.has_replicas(&format!("p-{refused}"), 0).await;

    stop.cancel();
    timeout(Duration::from_mins(1), former.ended.cancelled())
        .await
        .expect("it ends");
    kafka.kill().await;
    let nothing: Value = json!({"status": null});
    let api = scene.api::<ConsumerGroupPractice>();
    api.patch_status("p", &PatchParams::default(), &Patch::Merge(nothing))
        .await
        .expect("may be changed");
    let wiped = scene.practice("p").await.expect("it is there").status;
    assert_eq!(wiped, None, "the former operator has ended");
    let stop = CancellationToken::new();
    operator::start(&cluster, stop.clone()).await;
    scene.condition("p", "KafkaReachable=False").await;
    let status = scene.practice("p").await.expect("it is there").status;
    let status = status.expect("it is set");
    assert_eq!(
        (status.owns_group_id(&runs), status.owns_group_id(&refused)),
        (true, false)
    );
    assert_eq!(
        (
            scene.replicas(&format!("p-{runs}")).await,
            scene.replicas(&format!("p-{refused}")).await
        ),
        (2, 0)
    );
    stop.cancel();
}
