//! What is rendered, word for word where others rely on it: names, labels, selectors, security, environment, replicas.

use practice_plan::testing::plan_of;
use serde_json::json;

use super::*;
use crate::live::LivePod;

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

#[test]
fn a_group_without_replicas_leaves_the_number_to_others() {
    let objects = practice_3();
    assert!(
        !objects[3].body["spec"]
            .as_object()
            .expect("is one")
            .contains_key("replicas")
    );
    let plan = plan_of(serde_json::from_str(PRACTICE_3).expect("is JSON"));
    let hold = BTreeMap::from([("Odd_Group.".to_owned(), Hold::Stopped)]);
    let live = BTreeMap::from([(
        objects[3].name.clone(),
        LiveRow {
            replicas: 7,
            ours: false,
            before: None,
        },
    )]);
    let stopped = &super::objects(&plan, &hold, &BTreeMap::new(), &live)[3].body;
    assert_eq!(
        (
            &stopped["spec"]["replicas"],
            &stopped["metadata"]["annotations"][REPLICAS_BEFORE]
        ),
        (&json!(0), &json!("7"))
    );
}

#[test]
fn a_deployment_says_whether_its_group_id_is_claimed() {
    let plan = plan_of(json!({"topics": [{"name": "t"}], "groups": [
        {"name": "owned", "replicas": 1}, {"name": "refused", "replicas": 1}, {"name": "both", "state": "Stopped"}]}));
    let unclaimed = BTreeMap::from(["refused", "both"].map(|group| {
        let why = Unclaimed::Conflict("is in use".to_owned());
        (group.to_owned(), why)
    }));
    let holds = holds(&plan, &unclaimed, &Live::default());
    let objects = super::objects(&plan, &holds, &unclaimed, &BTreeMap::new());
    let live = |uid: &str| Live {
        objects: objects
            .iter()
            .map(|object| {
                let mut object: kube::core::DynamicObject =
                    serde_json::from_value(object.body.clone()).expect("an object");
                object
                    .metadata
                    .owner_references
                    .iter_mut()
                    .flatten()
                    .for_each(|owner| {
                        uid.clone_into(&mut owner.uid);
                    });
                object
            })
            .zip(objects.iter().map(|object| object.kind))
            .map(|(object, kind)| (kind, object))
            .collect(),
        ..Live::default()
    };
    let shown = |live: &Live, plan: &Plan| {
        ["owned", "refused", "both", "own"]
            .map(|group| live.shows_claim(plan, group, |address| address == plan.bootstrap))
    };
    assert_eq!(shown(&live("u"), &plan), [true, false, false, false]);
    assert_eq!(shown(&live("another"), &plan), [false; 4]);
    let elsewhere = Plan {
        bootstrap: "another:1".into(),
        ..plan.clone()
    };
    assert_eq!(shown(&live("u"), &elsewhere), [false; 4]);
}

#[test]
fn a_group_is_held_for_the_first_reason_that_holds() {
    let plan = plan_of(json!({"topics": [{"name": "t"}], "groups": [
        {"name": "runs"}, {"name": "stopped", "state": "Stopped"}, {"name": "unclaimed"}, {"name": "switches", "assignor": "Range"}]}));
    let unclaimed = ["stopped", "unclaimed"]
        .map(|group| (group.to_owned(), Unclaimed::Unknown))
        .into();
    let pod = |group: &str, protocol_key: &str| LivePod {
        name: format!("{group}-pod"),
        protocol_key: Some(protocol_key.into()),
        group: Some(group.into()),
        ..LivePod::default()
    };
    let producer = LivePod {
        name: "producer".into(),
        ..LivePod::default()
    };
    let sticky = "classic/cooperative-sticky";
    let pods = vec![
        producer,
        pod("runs", sticky),
        pod("switches", sticky),
        pod("unclaimed", "classic/range"),
    ];
    let live = Live {
        pods,
        ..Live::default()
    };
    let expected = [
        ("stopped", Hold::Stopped),
        ("switches", Hold::Switching),
        ("unclaimed", Hold::Unclaimed),
    ];
    assert_eq!(
        holds(&plan, &unclaimed, &live),
        expected
            .map(|(group, hold)| (group.to_owned(), hold))
            .into()
    );
}

#[test]
fn replicas_are_set_kept_or_handed_over() {
    let live = |replicas, ours, before| {
        Some(LiveRow {
            replicas,
            ours,
            before,
        })
    };
    let said = |set, before, hand_over| Replicas {
        set,
        before,
        hand_over,
    };
    for (wanted, held, live, expected) in [
        (Some(3), false, None, said(Some(3), None, None)),
        (
            Some(3),
            false,
            live(5, false, None),
            said(Some(3), None, None),
        ),
        (
            Some(3),
            true,
            live(3, true, None),
            said(Some(0), None, None),
        ),
        (None, false, None, said(None, None, None)),
        (None, false, live(4, false, None), said(None, None, None)),
        // taken out of the manifest: the live number goes into other hands
        (None, false, live(4, true, None), said(None, None, Some(4))),
        // held, and back
        (
            None,
            true,
            live(4, false, None),
            said(Some(0), Some(4), None),
        ),
        (
            None,
            true,
            live(0, true, Some(4)),
            said(Some(0), Some(4), None),
        ),
        (
            None,
            false,
            live(0, true, Some(4)),
            said(None, None, Some(4)),
        ),
        // scaled to 0 by its owner, held, and back
        (
            None,
            true,
            live(0, false, None),
            said(Some(0), Some(0), None),
        ),
        (
            None,
            true,
            live(0, true, Some(0)),
            said(Some(0), Some(0), None),
        ),
        (
            None,
            false,
            live(0, true, Some(0)),
            said(None, None, Some(0)),
        ),
        (None, false, live(0, false, None), said(None, None, None)),
        // held from its creation: its owner has not set a number yet
        (None, true, live(0, true, None), said(Some(0), None, None)),
        // never ran before it was claimed
        (None, true, None, said(Some(0), None, None)),
        (None, false, live(0, true, None), said(None, None, Some(1))),
    ] {
        assert_eq!(
            replicas(wanted, held, live),
            expected,
            "{wanted:?} {held} {live:?}"
        );
    }
}

#[test]
fn a_held_group_tells_its_consumers_not_to_join() {
    let plan = plan_of(serde_json::from_str(PRACTICE_3).expect("is JSON"));
    let id = "my-consumer-group-2";
    let running = objects(&plan, &BTreeMap::new(), &BTreeMap::new(), &BTreeMap::new());
    for (hold, value) in [
        (Hold::Stopped, "Stopped"),
        (Hold::Switching, "Switching"),
        (Hold::Unclaimed, "Unclaimed"),
    ] {
        let holds = BTreeMap::from([(id.to_owned(), hold)]);
        let held = objects(&plan, &holds, &BTreeMap::new(), &BTreeMap::new());
        for (object, before) in held.iter().zip(&running) {
            let is_row =
                object.name.starts_with("p-my-consumer-group-2") && object.kind == Kind::Deployment;
            if !is_row {
                assert_eq!(object, before, "other groups and objects stay");
                continue;
            }
            assert_eq!(object.hold, Some((id.to_owned(), hold)));
            let mut body = object.body.clone();
            let variables = env(&body);
            assert_eq!(
                variables.get("KAFKA_PRACTICE_HOLD").map(String::as_str),
                Some(value)
            );
            let settings = WorkerSettings::from_env(&|name| variables.get(name).cloned());
            assert_eq!(settings.expect("legal").hold, Some(hold));
            let template = &mut body["spec"]["template"];
            assert_eq!(template["metadata"]["annotations"][HOLD], value);
            template["metadata"]["annotations"][HOLD] = json!("None");
            for variable in template["spec"]["containers"][0]["env"]
                .as_array_mut()
                .expect("is a list")
            {
                if variable["name"] == "KAFKA_PRACTICE_HOLD" {
                    variable["value"] = json!("None");
                }
            }
            let spec = body["spec"].as_object_mut().expect("is one");
            assert_eq!(
                spec.remove("strategy"),
                Some(
                    json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%", "maxSurge": 0}})
                )
            );
            assert_eq!(spec.remove("replicas"), Some(json!(0)));
            let mut before = before.body.clone();
            before["spec"]
                .as_object_mut()
                .expect("is one")
                .remove("replicas");
            assert_eq!(body, before, "nothing else differs");
        }
    }
}
