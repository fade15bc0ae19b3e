use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, Pod},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use practice_testbed::{Cluster, Kafka, Role};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIG_MAP_RULES: &str =
    "[{apiGroups: [''], resources: [configmaps], verbs: [get, create, patch]}]";

#[tokio::test]
async fn a_broker_keeps_its_topics() {
    let kafka = Kafka::start().await;
    let bootstrap = kafka.bootstrap().to_owned();
    let topic = kafka.unique("kept");
    kafka.create_topic(&topic, 2).await;
    kafka.stop().await;
    tokio::net::TcpStream::connect(&bootstrap)
        .await
        .expect_err("the port is closed");
    kafka.restart().await;
    assert_eq!(kafka.bootstrap(), bootstrap);
    assert!(describe(&kafka, &topic).await.contains("PartitionCount: 2"));
    kafka.kill().await;
    tokio::net::TcpStream::connect(&bootstrap)
        .await
        .expect_err("the port is closed");
    kafka.restart().await;
    assert!(describe(&kafka, &topic).await.contains("PartitionCount: 2"));
    kafka.pause();
    tokio::net::TcpStream::connect(&bootstrap)
        .await
        .expect("a frozen broker's system accepts");
    assert!(
        timeout(Duration::from_secs(3), describe(&kafka, &topic))
            .await
            .is_err(),
        "a frozen broker must not answer"
    );
    kafka.resume();
    assert!(describe(&kafka, &topic).await.contains("PartitionCount: 2"));
}

async fn describe(kafka: &Kafka, topic: &str) -> String {
    kafka
        .tool(
            TOPICS,
            &[
                "--bootstrap-server",
                kafka.bootstrap(),
                "--describe",
                "--topic",
                topic,
            ],
        )
        .await
}

#[tokio::test]
async fn one_broker_for_all() {
    let kafka = practice_testbed::kafka().await;
    assert_eq!(
        kafka.bootstrap(),
        practice_testbed::kafka().await.bootstrap()
    );
    kafka.create_topic(&kafka.unique("shared"), 1).await;
}

#[tokio::test]
async fn a_service_account_has_its_rights_and_its_writes_are_counted() {
    let cluster = practice_testbed::cluster().await;
    let namespace = cluster.namespace("audit").await;
    let writer = cluster
        .service_account(&namespace, "writer", Role::Rules(CONFIG_MAP_RULES))
        .await;
    let viewer = cluster
        .service_account(&namespace, "viewer", Role::Existing("system:kube-dns"))
        .await;
    assert_eq!(cluster.audit(&namespace, "writer"), Vec::<String>::new());

    create(writer.clone(), &namespace, "one")
        .await
        .expect("it may");
    let maps: Api<ConfigMap> = Api::namespaced(writer.clone(), &namespace);
    maps.patch(
        "one",
        &PatchParams::default(),
        &Patch::Merge(json!({"data": {"key": "value"}})),
    )
    .await
    .expect("it may");
    maps.get("one").await.expect("it may");
    maps.delete("one", &DeleteParams::default())
        .await
        .expect_err("it may not");
    create(viewer.clone(), &namespace, "two")
        .await
        .expect_err("it may not");
    let services: Api<k8s_openapi::api::core::v1::Service> = Api::all(viewer);
    services
        .list(&ListParams::default())
        .await
        .expect("the role that exists allows it");

    assert_eq!(
        cluster.audit(&namespace, "writer"),
        [
            "create configmaps 201",
            "patch configmaps 200",
            "delete configmaps 403"
        ]
    );
    assert_eq!(
        cluster.audit(&namespace, "viewer"),
        ["create configmaps 403"]
    );
    let kubeconfig =
        Kubeconfig::read_from(cluster.service_account_kubeconfig(&namespace, "writer"));
    let config = kube::Config::from_custom_kubeconfig(
        kubeconfig.expect("it is there"),
        &KubeConfigOptions::default(),
    )
    .await;
    let client = Client::try_from(config.expect("it is valid")).expect("it is valid");
    create(client, &namespace, "three")
        .await
        .expect("the file is of the same ServiceAccount");
}

async fn create(client: Client, namespace: &str, name: &str) -> Result<ConfigMap, kube::Error> {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    Api::namespaced(client, namespace)
        .create(&PostParams::default(), &map)
        .await
}

#[tokio::test]
async fn an_api_server_keeps_its_objects() {
    let cluster = Cluster::start().await;
    let namespace = cluster.namespace("kept").await;
    let client = cluster.client();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    cluster.stop().await;
    namespaces.get(&namespace).await.expect_err("no answer");
    cluster.restart().await;
    namespaces
        .get(&namespace)
        .await
        .expect("it is kept, and the client stays valid");
    cluster.pause();
    let answer = timeout(Duration::from_secs(2), namespaces.get(&namespace)).await;
    assert!(
        answer.is_err(),
        "a frozen server must not answer, got {answer:?}"
    );
    cluster.resume();
    namespaces.get(&namespace).await.expect("it answers again");
    let kubeconfig = std::fs::read_to_string(cluster.kubeconfig()).expect("it is there");
    assert!(kubeconfig.contains("current-context"));
}

#[tokio::test]
async fn controllers_make_pods_and_collect_them() {
    let cluster = Cluster::start_with_controllers().await;
    let namespace = cluster.namespace("controllers").await;
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), &namespace);
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    let labels = json!({"app": "web"});
    let deployment = json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}},
        },
    });
    let deployment = serde_json::from_value(deployment).expect("it is a Deployment");
    deployments
        .create(&PostParams::default(), &deployment)
        .await
        .expect("it is legal");
    until_pods(&pods, 2).await;
    deployments
        .delete("web", &DeleteParams::background())
        .await
        .expect("it is there");
    until_pods(&pods, 0).await;
}

async fn until_pods(pods: &Api<Pod>, count: usize) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let found = pods
            .list(&ListParams::default())
            .await
            .expect("pods can be listed")
            .items
            .len();
        if found == count {
            return;
        }
        assert!(Instant::now() < deadline, "{found} pods instead of {count}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Tests may move their work to other threads.
#[test]
fn futures_are_send() {
    fn assert_send(_: impl Send) {}
    async fn all() {
        let (kafka, cluster) = (
            practice_testbed::kafka().await,
            practice_testbed::cluster().await,
        );
        kafka.create_topic("t", 1).await;
        kafka.restart().await;
        kafka.tool(TOPICS, &[]).await;
        cluster.apply_crd("").await;
        cluster
            .service_account("n", "s", Role::Existing("view"))
            .await;
        cluster.namespace("n").await;
        cluster.restart().await;
    }
    assert_send(all());
}
