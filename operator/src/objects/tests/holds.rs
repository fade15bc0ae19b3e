//! Groups that are held: the reason, and what their Deployments tell consumers and a later operator.

use super::*;
use crate::live::LivePod;

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
