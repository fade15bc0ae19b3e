//! Many practices at once: all of them arrive, and then nothing is written any more.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use crate::scene::Scene;

const PRACTICES: usize = 40;

#[tokio::test]
async fn forty_practices_settle_and_cost_no_write() {
    let scene = Scene::new("many").await;
    let names: Vec<String> = (0..PRACTICES).map(|n| format!("p{n}")).collect();
    join_all(names.iter().map(async |name| {
        let groups: Vec<_> = (0..3)
            .map(|n| json!({"name": scene.name(&format!("{name}-g{n}")), "replicas": 0}))
            .collect();
        let topics = json!([{"name": scene.name(name), "partitions": 2}]);
        scene
            .apply(
                name,
                &json!({"topics": topics, "groups": groups, "producer": {"enabled": false}}),
            )
            .await;
    }))
    .await;
    join_all(names.iter().map(|name| scene.ready(name))).await;
    scene.quiet_for(Duration::from_secs(10)).await;
    let writes = scene.writes().await;
    assert!(
        writes
            .iter()
            .all(|write| !write.contains(" 4") && !write.contains(" 5")),
        "none is refused: {writes:?}"
    );
    // a practice costs its objects, what became of its topic and groups, and few writes of status
    let each = writes.len() / PRACTICES;
    assert!(
        each <= 20,
        "{each} writes a practice: {:?}",
        writes
            .iter()
            .filter(|w| w.ends_with(" p0"))
            .collect::<Vec<_>>()
    );
}
