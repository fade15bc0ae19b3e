//! What is rendered, word for word where others rely on it: names, labels, selectors, security, environment, replicas.

mod holds;
mod replicas;

use practice_plan::testing::plan_of;
use serde_json::json;

use super::*;

fn rendered(spec: Value) -> Vec<Object> {
    objects(
        &plan_of(spec),
        &BTreeMap::new(),
        &BTreeMap::new(),
        &BTreeMap::new(),
    )
}

fn find<'a>(objects: &'a [Object], kind: Kind, name: &str) -> &'a Value {
    let found = objects
        .iter()
        .find(|object| object.kind == kind && object.name == name);
    &found.unwrap_or_else(|| panic!("no {kind:?} {name}")).body
}

fn env(deployment: &Value) -> BTreeMap<String, String> {
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let entries = container["env"].as_array().expect("is a list");
    let value = |entry: &Value| {
        entry["value"]
            .as_str()
            .unwrap_or("(a field of the pod)")
            .to_owned()
    };
    entries
        .iter()
        .map(|entry| {
            (
                entry["name"].as_str().expect("is named").to_owned(),
                value(entry),
            )
        })
        .collect()
}

const PRACTICE_3: &str = r#"{"topics": [{"name": "my-topic", "partitions": 3}], "groups": [
    {"name": "my-consumer-group-2", "replicas": 1, "variants": [{"name": "slow", "replicas": 2, "processingDelay": "5s"}]},
    {"name": "Odd_Group.", "protocol": "Consumer"}]}"#;

fn practice_3() -> Vec<Object> {
    rendered(serde_json::from_str(PRACTICE_3).expect("is JSON"))
}

#[test]
fn a_practice_consists_of_these() {
    let names: Vec<String> = practice_3()
        .iter()
        .map(|object| format!("{:?} {}", object.kind, object.name))
        .collect();
    let odd = names[3]
        .strip_prefix("Deployment ")
        .expect("is one")
        .to_owned();
    assert!(odd.starts_with("p-odd-group-"), "{odd}");
    assert_eq!(
        names,
        [
            "Deployment p-my-consumer-group-2",
            "Deployment p-my-consumer-group-2-slow",
            "PodDisruptionBudget p-my-consumer-group-2",
            &format!("Deployment {odd}"),
            &format!("PodDisruptionBudget {odd}"),
            "Deployment p-producer",
            "Service p-producer",
        ]
    );
    let without = rendered(json!({"topics": [{"name": "t"}], "producer": {"enabled": false}}));
    assert_eq!(without, Vec::new());
}

#[test]
fn a_variants_deployment_says_all_that_others_rely_on() {
    let objects = practice_3();
    let slow = find(&objects, Kind::Deployment, "p-my-consumer-group-2-slow");
    let labels = json!({
        "app.kubernetes.io/name": "kafka-practice-worker",
        "app.kubernetes.io/instance": "p",
        "app.kubernetes.io/part-of": "kafka-practice",
        "app.kubernetes.io/managed-by": "practice-operator",
        "app.kubernetes.io/component": "worker",
        "kafka-practice.dev/practice": "p",
        "kafka-practice.dev/group": "my-consumer-group-2",
        "kafka-practice.dev/variant": "slow",
    });
    let owner = json!([{
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice", "name": "p", "uid": "u",
        "controller": true, "blockOwnerDeletion": true,
    }]);
    assert_eq!(
        slow["metadata"],
        json!({"name": "p-my-consumer-group-2-slow", "namespace": "n", "labels": labels, "ownerReferences": owner,
            "annotations": {"kafka-practice.dev/group": "my-consumer-group-2"}})
    );
    assert_eq!(slow["spec"]["replicas"], 2);
    assert_eq!(
        slow["spec"]["selector"]["matchLabels"],
        json!({"kafka-practice.dev/practice": "p", "kafka-practice.dev/group": "my-consumer-group-2", "kafka-practice.dev/variant": "slow"})
    );
    let template = &slow["spec"]["template"];
    assert_eq!(
        template["metadata"],
        json!({"labels": labels, "annotations": {"kafka-practice.dev/group": "my-consumer-group-2", "kafka-practice.dev/protocol": "classic/cooperative-sticky", "kafka-practice.dev/hold": "None"}})
    );
    let pod = &template["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(
        pod["securityContext"],
        json!({"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}})
    );
    let container = &pod["containers"][0];
    assert_eq!(
        container["securityContext"],
        json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}})
    );
    assert_eq!(
        (&container["image"], &container["imagePullPolicy"]),
        (&json!("w"), &json!("IfNotPresent"))
    );
    assert_eq!(
        container["ports"],
        json!([
            {"name": "http", "containerPort": 8080, "protocol": "TCP"},
            {"name": "probes", "containerPort": 8090, "protocol": "TCP"},
        ])
    );
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], "probes");
    }
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/livez");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
    for forbidden in ["volumes", "hostNetwork", "hostPID", "serviceAccountName"] {
        assert_eq!(pod[forbidden], Value::Null, "{forbidden}");
    }
}

#[test]
fn each_consumer_is_told_what_the_manifest_says() {
    let objects = practice_3();
    let slow = env(find(
        &objects,
        Kind::Deployment,
        "p-my-consumer-group-2-slow",
    ));
    for (name, value) in [
        ("KAFKA_SERVERS", "k:1"),
        ("KAFKA_TOPIC", "my-topic"),
        ("KAFKA_CONSUMER_GROUP_ID", "my-consumer-group-2"),
        ("KAFKA_PRACTICE_INSTANCE", "(a field of the pod)"),
    ] {
        assert_eq!(
            slow.get(name).map(String::as_str),
            Some(value),
            "{name} of {slow:?}"
        );
    }
    let settings = |env: &BTreeMap<String, String>| {
        let variables = env.clone();
        WorkerSettings::from_env(&move |name: &str| variables.get(name).cloned())
            .expect("what is written can be read")
    };
    let told = settings(&slow);
    assert_eq!(
        (told.delay.as_secs(), told.owner.as_deref()),
        (5, Some("n/p"))
    );
    let plain = settings(&env(find(
        &objects,
        Kind::Deployment,
        "p-my-consumer-group-2",
    )));
    assert_eq!(plain.delay.as_secs(), 0);
    assert_eq!(settings(&env(&objects[3].body)).group, "Odd_Group.");
}

#[test]
fn the_producer_has_the_limits_of_its_topics() {
    let limits = |config: Value| {
        let objects = rendered(json!({"topics": [{"name": "t", "config": config}, {"name": "u"}]}));
        let producer = env(find(&objects, Kind::Deployment, "p-producer"));
        producer.get("KAFKA_PRACTICE_MAX_MESSAGE_BYTES").cloned()
    };
    assert_eq!(
        limits(json!({"max.message.bytes": "5242880"})).as_deref(),
        Some("t=5242880")
    );
    // another setting of a topic does not restart the producer
    assert_eq!(limits(json!({"retention.ms": "60000"})), None);
}

#[test]
fn a_kip_848_consumer_is_not_told_what_only_classic_has() {
    let objects = practice_3();
    let consumer = env(&objects[3].body);
    let classic = env(find(&objects, Kind::Deployment, "p-my-consumer-group-2"));
    let differ = |env: &BTreeMap<String, String>| {
        env.keys()
            .filter(|name| name.contains("SESSION") || name.contains("HEARTBEAT"))
            .count()
    };
    assert_eq!(
        (differ(&classic), differ(&consumer)),
        (2, 0),
        "{consumer:?}"
    );
}

#[test]
fn the_exact_group_id_is_in_the_annotation_whatever_the_label() {
    let objects = practice_3();
    for object in &objects[3..5] {
        let metadata = &object.body["metadata"];
        assert_eq!(metadata["annotations"][GROUP], "Odd_Group.");
        let label = metadata["labels"][GROUP].as_str().expect("is text");
        assert!(
            label.starts_with("Odd-Group-") && label.len() <= 63,
            "{label}"
        );
    }
    let template = &objects[3].body["spec"]["template"]["metadata"];
    assert_eq!(template["annotations"][GROUP], "Odd_Group.");
    assert_eq!(
        template["labels"][GROUP],
        objects[3].body["metadata"]["labels"][GROUP]
    );
    assert_eq!(
        template["labels"][VARIANT], "",
        "plain members have an empty variant"
    );
}

#[test]
fn a_budget_covers_all_variants_of_a_group_and_blocks_no_drain() {
    let objects = practice_3();
    assert_eq!(
        find(&objects, Kind::PodDisruptionBudget, "p-my-consumer-group-2")["spec"],
        json!({
            "maxUnavailable": 1,
            "selector": {"matchLabels": {"kafka-practice.dev/practice": "p", "kafka-practice.dev/group": "my-consumer-group-2"}},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        })
    );
}

#[test]
fn the_producers_service_finds_the_producer_alone() {
    let objects = practice_3();
    let service = find(&objects, Kind::Service, "p-producer");
    assert_eq!(
        service["spec"]["ports"],
        json!([{"name": "http", "port": 8081, "targetPort": "http", "protocol": "TCP"}])
    );
    let selector = service["spec"]["selector"].as_object().expect("is one");
    let pods = |name: &str| {
        &find(&objects, Kind::Deployment, name)["spec"]["template"]["metadata"]["labels"]
    };
    let selects = |labels: &Value| selector.iter().all(|(key, value)| labels[key] == *value);
    assert!(selects(pods("p-producer")) && !selects(pods("p-my-consumer-group-2")));
    assert_eq!(
        find(&objects, Kind::Deployment, "p-producer")["spec"]["selector"]["matchLabels"],
        json!(selector)
    );
}
