//! The live picture in a cluster: it shows what Kafka says, hears the consumers in their pods, and changes things only if it may,
//! with no other right than the chart gives.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use practice_api::ConsumerGroupPractice;
use practice_plan::config::Config;
use practice_testbed::Cluster;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    operator,
    scene::{Scene, group},
};

fn http() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn get(url: &str) -> Result<Value, String> {
    ask_for(url).await.map(|(_, said)| said)
}

/// Status and answer.
pub(crate) async fn ask_for(url: &str) -> Result<(u16, Value), String> {
    ask(Request::get(url).body(Full::default()).expect("legal")).await
}

async fn post(url: &str, body: Value) -> (u16, Value) {
    let request = Request::post(url)
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()));
    ask(request.expect("legal")).await.expect("it answers")
}

async fn ask(request: Request<Full<Bytes>>) -> Result<(u16, Value), String> {
    let response = http()
        .request(request)
        .await
        .map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .to_bytes();
    Ok((
        status,
        serde_json::from_slice(&body).map_err(|error| error.to_string())?,
    ))
}

/// The events of a stream as they come, until `is` is true of one.
async fn event(stream: &mut Stream, what: &str, is: impl Fn(&str, &Value) -> bool) -> Value {
    let found = async {
        loop {
            let (name, data) = stream.next().await;
            if is(&name, &data) {
                return data;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), found)
        .await
        .unwrap_or_else(|_| panic!("{what}: not in time"))
}

struct Stream {
    body: hyper::body::Incoming,
    rest: String,
}

impl Stream {
    async fn open(picture: &str) -> Self {
        let request = Request::get(format!("{picture}/stream"))
            .body(Full::default())
            .expect("legal");
        let response = http().request(request).await.expect("it answers");
        assert_eq!(response.status(), 200);
        Self {
            body: response.into_body(),
            rest: String::new(),
        }
    }

    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some(end) = self.rest.find("\n\n") {
                let field = |name: &str| {
                    self.rest[..end]
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                };
                let name = field("event: ").expect("a name").to_owned();
                let data = serde_json::from_str(field("data: ").expect("data")).expect("JSON");
                self.rest.drain(..end + 2);
                return (name, data);
            }
            let frame = self
                .body
                .frame()
                .await
                .expect("it continues")
                .expect("it continues");
            self.rest.push_str(
                std::str::from_utf8(&frame.into_data().expect("data")).expect("whole events"),
            );
        }
    }
}

fn two_groups(scene: &Scene, replicas: i32) -> Value {
    json!({
        "topics": [{"name": scene.name("t"), "partitions": 3}],
        "groups": [
            {"name": scene.name("g"), "replicas": replicas,
             "variants": [{"name": "slow", "replicas": 1, "processingDelay": "1s"}]},
            {"name": scene.name("free"), "topics": [scene.name("t")]},
        ],
    })
}

/// Name and numbers of partitions of each member of a group, sorted.
fn owners(picture: &Value, group: &str) -> Vec<(String, Vec<i64>)> {
    let groups = picture["groups"].as_array().expect("a list");
    let group = groups
        .iter()
        .find(|there| there["name"] == group)
        .expect("it is there");
    let numbers = |member: &Value| {
        let shares = member["partitions"].as_array().expect("a list");
        shares
            .iter()
            .map(|share| share["partition"].as_i64().expect("a number"))
            .collect()
    };
    let members = group["members"].as_array().expect("a list");
    let mut owners: Vec<_> = members
        .iter()
        .map(|m| (m["name"].as_str().expect("a name").to_owned(), numbers(m)))
        .collect();
    owners.sort();
    owners
}

#[tokio::test]
async fn it_shows_what_kafka_says_and_tells_what_changes() {
    let scene = Scene::new("picture").await;
    let _pods = scene.run_pods();
    let (g, t) = (scene.name("g"), scene.name("t"));
    scene.apply("p", &two_groups(&scene, 1)).await;
    scene.ready("p").await;
    let settled = |status: &practice_api::PracticeStatus| {
        let members = &group(status, &g).members;
        members.len() == 2
            && members
                .iter()
                .map(|member| member.partitions.len())
                .sum::<usize>()
                == 3
    };
    scene
        .status("p", "two members have three partitions", settled)
        .await;

    let url = scene.picture("p");
    let drawn = scene
        .until("the picture shows what status says", async || {
            let picture = get(&url).await?;
            let status = scene.practice("p").await?.status.expect("it is set");
            let numbers = |member: &practice_api::status::Member| {
                member
                    .partitions
                    .iter()
                    .map(|owned| i64::from(owned.partition))
                    .collect::<Vec<_>>()
            };
            let mut said: Vec<_> = group(&status, &g)
                .members
                .iter()
                .map(|m| (m.name.clone(), numbers(m)))
                .collect();
            said.sort();
            if owners(&picture, &g) == said {
                Ok(picture)
            } else {
                Err(format!("{picture:#}"))
            }
        })
        .await;
    assert_eq!(
        (&drawn["ready"], &drawn["kafka"]["kind"]),
        (&json!(true), &json!("cluster"))
    );
    assert_eq!(
        drawn["actions"],
        json!({"enabled": false, "how": "turn it on"})
    );
    let partitions = drawn["partitions"].as_array().expect("a list");
    assert_eq!(partitions.len(), 3);
    assert!(
        partitions
            .iter()
            .all(|p| p["topic"] == json!(t) && p["leader"].is_i64() && p["isr"] == p["replicas"])
    );
    assert_eq!(
        (
            &drawn["kafka"]["brokers"][0]["up"],
            &drawn["kafka"]["brokers"][0]["leads"]
        ),
        (&json!(true), &json!(3))
    );
    let [group_g, free] = drawn["groups"].as_array().expect("a list").as_slice() else {
        panic!("{drawn:#}")
    };
    assert_eq!(
        (&group_g["scalable"], &free["scalable"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (&group_g["sessionTimeoutMs"], &drawn["load"]),
        (&json!(10_000), &Value::Null)
    );
    let slow: Vec<_> = group_g["members"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|m| m["variant"] == "slow")
        .collect();
    assert_eq!(
        (slow.len(), &slow[0]["delayMs"], &slow[0]["pod"]),
        (1, &json!(1000), &slow[0]["name"])
    );
    let how = format!(
        "kubectl -n {} port-forward svc/p-producer 8081",
        scene.namespace
    );
    assert_eq!(
        (&drawn["sendUrl"], &drawn["sendHow"]),
        (&json!("http://localhost:8081/send-message"), &json!(how))
    );
    let (start, _) = url.rsplit_once("/api/practices").expect("it has that path");
    let list = get(&format!("{start}/api/practices"))
        .await
        .expect("a list");
    assert!(
        list.as_array()
            .expect("a list")
            .iter()
            .any(|line| line["namespace"] == json!(scene.namespace) && line["name"] == "p")
    );

    // the consumers in their pods are heard while a page is open
    let mut stream = Stream::open(&url).await;
    event(&mut stream, "a snapshot", |name, _| name == "snapshot").await;
    scene
        .until("a message is seen as it is consumed", async || {
            scene.kafka.send(&t, 0, "hello").await;
            let heard = event(&mut stream, "a flow", |name, data| {
                name == "flow"
                    && data["consumed"]
                        .as_array()
                        .is_some_and(|some| some.iter().any(|c| c[0] == json!(g)))
            });
            tokio::time::timeout(Duration::from_secs(2), heard)
                .await
                .map(drop)
                .map_err(|_| "nothing".to_owned())
        })
        .await;

    // and a rebalance is told
    scene.apply("p", &two_groups(&scene, 2)).await;
    let joined = event(&mut stream, "a third member joins", |name, data| {
        let rebalances = data["rebalances"].as_array();
        name == "patch"
            && rebalances.is_some_and(|all| {
                all.iter().any(|r| {
                    r["group"] == json!(g)
                        && r["joined"].as_array().is_some_and(|who| !who.is_empty())
                })
            })
    });
    joined.await;
    drop(stream);

    scene.delete("p").await;
    scene
        .until(
            "the picture of a practice that is gone is gone",
            async || {
                let said = get(&url).await?;
                if said["message"].is_string() {
                    Ok(())
                } else {
                    Err(format!("{said}"))
                }
            },
        )
        .await;
}

#[tokio::test]
async fn it_changes_nothing_unless_it_may() {
    let scene = Scene::new("looks-only").await;
    scene.apply("p", &two_groups(&scene, 1)).await;
    scene.deployment(&format!("p-{}", scene.name("g"))).await;
    let url = scene.picture("p");
    scene
        .until("it is drawn", async || {
            get(&url).await?["groups"][0]
                .is_object()
                .then_some(())
                .ok_or_else(String::new)
        })
        .await;
    for path in [
        format!("groups/{}/stop", scene.name("g")),
        "load".to_owned(),
        "send".to_owned(),
    ] {
        let (status, said) = post(&format!("{url}/{path}"), json!({})).await;
        assert_eq!(
            (status, &said["how"]),
            (403, &json!("turn it on")),
            "{path}: {said}"
        );
    }
    let practice = scene.practice("p").await.expect("it is there");
    assert_eq!(practice.metadata.generation, Some(1), "nothing was changed");
}

#[expect(
    clippy::too_many_lines,
    reason = "one course of events, or one table of cases"
)]
#[tokio::test]
async fn with_leave_it_changes_the_manifest_or_deletes_a_pod_and_nothing_else() {
    let cluster = Cluster::start().await;
    cluster.apply_crd(&practice_api::crd_yaml()).await;
    let scene = Scene::of(&cluster, "acts").await;
    let stop = CancellationToken::new();
    let account = operator::start_with(&cluster, Config::default(), None, stop.clone()).await;
    let (g, free) = (scene.name("g"), scene.name("free"));
    scene.apply("p", &two_groups(&scene, 1)).await;
    let url = format!(
        "http://{}/api/practices/{}/p",
        account.picture, scene.namespace
    );
    scene
        .until("it is drawn", async || {
            get(&url).await?["groups"][0]
                .is_object()
                .then_some(())
                .ok_or_else(String::new)
        })
        .await;
    let name = format!("p-{g}");
    scene.has_replicas(&name, 1).await;

    for (path, body, replicas) in [
        ("scale", json!({"replicas": 3}), 3),
        ("scale", json!({"by": -1}), 2),
        ("stop", json!({}), 0),
        ("start", json!({}), 2),
    ] {
        let (status, said) = post(&format!("{url}/groups/{g}/{path}"), body).await;
        assert_eq!(status, 200, "{path}: {said}");
        assert!(
            said["message"]
                .as_str()
                .is_some_and(|message| message.contains(&g)),
            "{said}"
        );
        scene.has_replicas(&name, replicas).await;
        // drawn before the next one is asked for: a stopped group cannot be scaled
        scene
            .until("it is drawn", async || {
                let picture = get(&url).await?;
                let stopped = &picture["groups"][0]["stopped"];
                if *stopped == json!(path == "stop") {
                    Ok(())
                } else {
                    Err(picture.to_string())
                }
            })
            .await;
    }
    let spec = scene.practice("p").await.expect("it is there").spec;
    assert_eq!(
        (spec.groups[0].replicas, spec.groups[0].variants[0].replicas),
        (Some(2), Some(1)),
        "variants stay"
    );
    assert_eq!((spec.groups.len(), spec.groups[1].replicas), (2, None));
    let (status, said) = post(&format!("{url}/groups/{free}/scale"), json!({"by": 1})).await;
    assert_eq!(status, 409, "{said}");

    let load = || async {
        scene
            .practice("p")
            .await
            .expect("it is there")
            .spec
            .producer
            .load
    };
    let (status, said) = post(
        &format!("{url}/load"),
        json!({"messagesPerSecond": 50, "valueBytes": 10}),
    )
    .await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(
        load()
            .await
            .map(|load| (load.messages_per_second, load.value_bytes)),
        Some((50, 10))
    );
    scene
        .until("the stream of messages is drawn", async || {
            let load = get(&url).await?["load"].clone();
            if load == json!({"messagesPerSecond": 50, "valueBytes": 10}) {
                Ok(())
            } else {
                Err(load.to_string())
            }
        })
        .await;
    post(&format!("{url}/load"), json!({"messagesPerSecond": 60})).await;
    assert_eq!(
        load()
            .await
            .map(|load| (load.messages_per_second, load.value_bytes)),
        Some((60, 10))
    );
    let (status, said) = post(&format!("{url}/load"), json!({"messagesPerSecond": 0})).await;
    assert_eq!((status, load().await.is_none()), (200, true), "{said}");

    for verb in ["restart", "kill"] {
        let pod = a_pod(&scene, &name, verb).await;
        let path = format!("{url}/consumers/{pod}/{verb}");
        scene
            .until("it knows the pod", async || {
                nudge(&scene).await;
                let (status, said) = post(&path, json!({})).await;
                if status == 200 {
                    Ok(())
                } else {
                    Err(said.to_string())
                }
            })
            .await;
        let is_going =
            |pod: Option<Pod>| pod.is_none_or(|pod| pod.metadata.deletion_timestamp.is_some());
        assert!(
            is_going(
                scene
                    .api::<Pod>()
                    .get_opt(&pod)
                    .await
                    .expect("it can be asked")
            ),
            "{verb}"
        );
    }
    let strange = json!({"metadata": {"name": "strange"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let strange: Pod = serde_json::from_value(strange).expect("a pod");
    scene
        .api::<Pod>()
        .create(&PostParams::default(), &strange)
        .await
        .expect("it is made");
    let (status, _) = post(&format!("{url}/consumers/strange/kill"), json!({})).await;
    assert_eq!(status, 404, "it does not belong to the view");
    for (path, says) in [
        (format!("consumers/{}/pause", "strange"), "no consumer"),
        ("brokers/1/stop".to_owned(), ""),
    ] {
        let (status, said) = post(&format!("{url}/{path}"), json!({})).await;
        assert_eq!(status, 404, "{said}");
        assert!(
            said["message"]
                .as_str()
                .is_some_and(|message| message.contains(says)),
            "{said}"
        );
    }
    let pods = scene
        .api::<Pod>()
        .list(&ListParams::default())
        .await
        .expect("can be listed");
    assert!(
        pods.iter()
            .any(|pod| pod.metadata.name.as_deref() == Some("strange"))
    );
    stop.cancel();
}

/// When a consumer of group `g` was last given something, as the consumers themselves say; milliseconds since the epoch.
async fn last_assigned(scene: &Scene, g: &str) -> i64 {
    let mut last = 0;
    for pod in scene
        .api::<Pod>()
        .list(&ListParams::default())
        .await
        .expect("can be listed")
    {
        let port = pod.spec.expect("it has one").containers[0]
            .ports
            .as_ref()
            .expect("it has one")[0]
            .container_port;
        // one that has just ended does not answer
        let Ok(status) = get(&format!("http://127.0.0.1:{port}/status")).await else {
            continue;
        };
        let rebalances = status["rebalances"]
            .as_array()
            .filter(|_| status["group"] == json!(g));
        let assigned = rebalances
            .into_iter()
            .flatten()
            .filter(|rebalance| rebalance["what"] == "assigned");
        last = assigned
            .filter_map(|rebalance| rebalance["at"].as_i64())
            .fold(last, i64::max);
    }
    last
}

#[tokio::test]
async fn a_change_of_owner_is_drawn_before_kafka_would_be_looked_at_again() {
    let scene = Scene::new("redrawn").await;
    let _pods = scene.run_pods();
    let g = scene.name("g");
    scene.apply("p", &two_groups(&scene, 1)).await;
    scene.ready("p").await;
    let mut stream = Stream::open(&scene.picture("p")).await;
    let mut took = Vec::new();
    for replicas in [2, 1, 2, 1, 2, 1, 2] {
        scene.apply("p", &two_groups(&scene, replicas)).await;
        let members = usize::try_from(replicas).expect("positive") + 1;
        let settled = event(&mut stream, "every member has its share", |_, data| {
            let group = data["groups"]
                .as_array()
                .and_then(|groups| groups.iter().find(|there| there["name"] == json!(g)));
            let Some(group) = group.filter(|group| group["state"] == "Stable") else {
                return false;
            };
            let shares: Vec<usize> = owners(&json!({"groups": [group]}), &g)
                .iter()
                .map(|(_, owned)| owned.len())
                .collect();
            shares.len() == members && shares.iter().sum::<usize>() == 3 && !shares.contains(&0)
        });
        let drawn = settled.await["now"].as_i64().expect("a time");
        took.push(drawn - last_assigned(&scene, &g).await);
    }
    println!("from a consumer's new partitions to the patch that shows them: {took:?} ms");
    // a look follows at once when a consumer tells of its new partitions; a few take longer: a Classic group that rebalances
    // a second time says nothing of its members until that is over, and this machine runs other tests too
    took.sort_unstable();
    assert!(took[took.len() / 2] < 1_500, "{took:?} ms");
}

/// A pod as the Deployment's would be, on no node.
async fn a_pod(scene: &Scene, deployment: &str, suffix: &str) -> String {
    let template = json!(scene.deployment(deployment).await.spec.template);
    let name = format!("{deployment}-{suffix}");
    let pod = json!({
        "metadata": {
            "name": name,
            "labels": template["metadata"]["labels"],
            "annotations": template["metadata"]["annotations"],
        },
        "spec": template["spec"],
    });
    let pod: Pod = serde_json::from_value(pod).expect("a template makes a pod");
    scene
        .api::<Pod>()
        .create(&PostParams::default(), &pod)
        .await
        .expect("it is made");
    name
}

/// A pod that comes is seen with the next change: there is no controller here that would count it in its Deployment.
async fn nudge(scene: &Scene) {
    let patch = json!({"metadata": {"annotations": {"tests/nudge": format!("{:?}", std::time::Instant::now())}}});
    let practices = scene.api::<ConsumerGroupPractice>();
    practices
        .patch("p", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .expect("it is there");
}
