//! The servers are real, can be stopped, started and left hanging, and end with those who started them.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use practice_testbed::{Cluster, Kafka, cluster, kafka, unique};

#[tokio::test]
async fn a_broker_keeps_its_port_and_its_data() {
    let kafka = Kafka::start().await;
    let (topic, bootstrap) = (unique("kept"), kafka.bootstrap());
    kafka.topics(&["--create", "--topic", &topic, "--partitions", "2"]).await;
    for _ in 0..2 {
        kafka.stop().await;
        assert!(tokio::net::TcpStream::connect(&bootstrap).await.is_err(), "nobody may listen on {bootstrap}");
        kafka.start_again().await;
        assert_eq!(kafka.bootstrap(), bootstrap);
        let described = kafka.topics(&["--describe", "--topic", &topic]).await;
        assert!(described.contains("PartitionCount: 2"), "{described}");
    }
}

#[tokio::test]
async fn everybody_shares_one_broker() {
    assert_eq!(kafka().await.bootstrap(), kafka().await.bootstrap());
    assert_ne!(unique("a"), unique("a"));
}

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(serde_json::json!({"metadata": {"name": name}, "data": {"key": "value"}})).expect("is one")
}

#[tokio::test]
async fn requests_that_change_something_are_counted_by_user() {
    let cluster = cluster().await;
    let namespace = cluster.namespace("audit").await;
    let (robot, other) = ("system:serviceaccount:audit:robot", "somebody");
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client_as(robot, &["system:masters"]), &namespace);
    assert_eq!(cluster.writes(robot), Vec::<String>::new());
    maps.create(&PostParams::default(), &config_map("one")).await.expect("may be made");
    maps.list(&Default::default()).await.expect("may be read");
    maps.patch("one", &PatchParams::default(), &Patch::Merge(serde_json::json!({"data": {}})))
        .await
        .expect("may be patched");
    let created = format!("create configmaps {namespace}/one 201");
    assert_eq!(cluster.writes(robot), [created, format!("patch configmaps {namespace}/one 200")]);

    let forbidden: Api<ConfigMap> = Api::namespaced(cluster.client_as(other, &[]), &namespace);
    forbidden.create(&PostParams::default(), &config_map("two")).await.expect_err("has no rights");
    assert_eq!(cluster.writes(other), [format!("create configmaps {namespace}/ 403")]);
}

#[tokio::test]
async fn an_api_server_keeps_its_data_and_its_kubeconfig() {
    let cluster = Cluster::start().await;
    let namespace = cluster.namespace("kept").await;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), &namespace);
    maps.create(&PostParams::default(), &config_map("one")).await.expect("may be made");
    cluster.stop().await;
    maps.get("one").await.expect_err("nobody is there");
    cluster.start_again().await;
    maps.get("one").await.expect("it is kept");
    cluster.pause().await;
    assert!(tokio::time::timeout(Duration::from_secs(2), maps.get("one")).await.is_err(), "nobody answers");
    cluster.resume().await;
    maps.get("one").await.expect("it goes on");
    assert!(fs::read_to_string(cluster.kubeconfig()).expect("is there").contains("current-context"));
}

/// Not a test of its own: what the next test runs in a process of its own and kills.
#[tokio::test]
#[ignore = "run by servers_end_with_a_process_that_is_killed"]
async fn hold_a_server() {
    let cluster = cluster().await;
    println!("{}", cluster.kubeconfig().display());
    tokio::time::sleep(Duration::from_secs(600)).await;
}

#[test]
fn servers_end_with_a_process_that_is_killed() {
    let mut holder = Command::new(std::env::current_exe().expect("is this"))
        .args(["--exact", "hold_a_server", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(holder.stdout.take().expect("is piped")));
    let kubeconfig = lines.find_map(|line| line.ok().filter(|line| line.ends_with("/kubeconfig"))).expect("prints it");
    let config = fs::read_to_string(&kubeconfig).expect("is there");
    let url = config.split("https://").nth(1).and_then(|rest| rest.split('"').next()).expect("names the server");
    std::net::TcpStream::connect(url).expect("serves");
    holder.kill().expect("can be killed");
    holder.wait().expect("has ended");
    let deadline = Instant::now() + Duration::from_secs(30);
    let dir = Path::new(&kubeconfig).parent().expect("is in a directory");
    while std::net::TcpStream::connect(url).is_ok() || dir.exists() {
        assert!(Instant::now() < deadline, "{url} and {} must be gone", dir.display());
        std::thread::sleep(Duration::from_millis(50));
    }
}
