//! Many practices at once: all of them arrive, and then nothing is written any more.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use crate::scene::Scene;

const PRACTICES: usize = 40;
/// For all of them at once, on a busy machine.
const LONGEST: Duration = Duration::from_mins(3);

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
    join_all(names.iter().map(|name| scene.ready_within(LONGEST, name))).await;
    let until_ready = scene.writes().await.len();
    scene.quiet_for(Duration::from_secs(10)).await;
    let writes = scene.writes().await;
    assert!(
        writes
            .iter()
            .all(|write| !write.contains(" 4") && !write.contains(" 5")),
        "none is refused: {writes:?}"
    );
    // how many statuses lead to Ready depends on the machine; besides these a practice costs its objects, what became of its topic
    // and groups, and few writes of status
    let is_status = |write: &&String| write.contains("consumergrouppractices/status");
    let on_the_way = writes[..until_ready].iter().filter(is_status).count();
    let each = (writes.len() - on_the_way) / PRACTICES;
    assert!(
        each <= 20 && on_the_way / PRACTICES <= 20,
        "{each} writes a practice, and {on_the_way} of status until all were ready: {:?}",
        writes
            .iter()
            .filter(|w| w.ends_with(" p0"))
            .collect::<Vec<_>>()
    );
}
