//! The journal's `ConfigMap`: one of another owner is never taken over, whenever it was created, and what others remove of the
//! operator's own is written again with the next rebalance.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::scene::Scene;

const NAME: &str = "p-journal";

fn spec(scene: &Scene, replicas: i32) -> Value {
    json!({"topics": [{"name": scene.name("t"), "partitions": 2}],
        "groups": [{"name": scene.name("g"), "replicas": replicas}], "producer": {"enabled": false}})
}

async fn rebalance(scene: &Scene, replicas: i32) {
    scene.apply("p", &spec(scene, replicas)).await;
    let members = usize::try_from(replicas).expect("is positive");
    scene
        .status("p", "they have joined", |status| {
            status.groups[0].members.len() == members
        })
        .await;
}

/// The journal of the group in the practice's own `ConfigMap`, when it has this many rebalances.
async fn stored(scene: &Scene, least: usize) {
    let group = scene.name("g");
    let found = async || {
        let map: ConfigMap = scene.get(NAME).await?;
        let text = map.data.iter().flatten().find(|(key, _)| **key == group);
        let text = text.map(|(_, text)| text.clone()).unwrap_or_default();
        let journal: Value = serde_json::from_str(&text).unwrap_or_default();
        let count = journal["over"].as_array().map_or(0, Vec::len);
        let owned = map.owner_references().iter().any(|it| it.name == "p");
        if count >= least && owned {
            Ok(())
        } else {
            Err(format!("{count} rebalances, {:?}", map.owner_references()))
        }
    };
    scene.until("the journal is stored", found).await;
}

#[tokio::test]
async fn a_config_map_of_another_owner_is_never_taken_over() {
    let scene = Scene::new("journal").await;
    let _pods = scene.run_pods();
    scene.apply("p", &spec(&scene, 0)).await;
    scene.ready("p").await;
    // after the operator has looked for it
    let foreign =
        json!({"metadata": {"name": NAME, "labels": {"team": "theirs"}}, "data": {"x": "y"}});
    let foreign: ConfigMap = serde_json::from_value(foreign).expect("is one");
    let maps = scene.api::<ConfigMap>();
    let created = maps.create(&PostParams::default(), &foreign).await;
    let created = created.expect("may be created");
    rebalance(&scene, 1).await;
    scene.event("JournalNotStored", NAME).await;
    rebalance(&scene, 2).await;
    let there: ConfigMap = scene.get(NAME).await.expect("is there");
    assert_eq!(
        there.metadata.resource_version,
        created.metadata.resource_version
    );
    let deleted = maps.delete(NAME, &DeleteParams::default()).await;
    deleted.expect("may be deleted");
    stored(&scene, 2).await;

    // what another client removed of the operator's own is written again
    let group = scene.name("g");
    let patch = Patch::Merge(json!({"data": {group: null}}));
    let patched = maps.patch(NAME, &PatchParams::default(), &patch).await;
    patched.expect("may be changed");
    rebalance(&scene, 1).await;
    stored(&scene, 3).await;
    let events = scene.events().await;
    let told = events
        .iter()
        .filter(|event| event.starts_with("JournalNotStored"));
    assert_eq!(told.count(), 1, "{events:?}");
}
