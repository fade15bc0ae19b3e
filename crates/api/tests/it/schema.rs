use kube::{
    Api,
    api::{DynamicObject, PatchParams, PostParams, ValidationDirective},
    core::{ApiResource, GroupVersionKind},
};
use practice_api::{ConsumerGroupPractice, faults};
use serde_json::Value;

use crate::manifests::{legal, wrong, wrong_changes};

#[test]
fn the_chart_ships_the_generated_crd() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../charts/consumer-group-practice/files/crd.yaml"
    );
    let shipped = std::fs::read_to_string(path).expect(path);
    assert_eq!(
        shipped,
        practice_api::crd_yaml(),
        "the chart's CRD is not the code's: run `make crd` and commit {path}"
    );
}

#[test]
fn every_field_is_documented() {
    fn undocumented(path: &str, schema: &Value, found: &mut Vec<String>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if field["description"].as_str().is_none_or(str::is_empty) {
                found.push(path.clone());
            }
            undocumented(&path, field, found);
            undocumented(&path, &field["items"], found);
        }
    }
    let crd: Value = serde_yaml::from_str(&practice_api::crd_yaml()).expect("YAML");
    let mut found = Vec::new();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    undocumented("spec", &schema["properties"]["spec"], &mut found);
    undocumented("status", &schema["properties"]["status"], &mut found);
    assert_eq!(found, Vec::<String>::new());
    assert!(
        !schema["properties"]["spec"]["properties"]["groups"].is_null(),
        "the walk must have had something to walk"
    );
}

#[test]
fn rules_without_a_server() {
    for manifest in legal() {
        assert_eq!(faults(&manifest, None), [], "{manifest}");
    }
    for (word, manifest) in wrong() {
        let said = faults(&manifest, None)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n");
        assert!(
            said.contains(word),
            "{manifest} must be refused with `{word}`, was: {said}"
        );
    }
    for (word, before, after) in wrong_changes() {
        let before: ConsumerGroupPractice = serde_json::from_value(before).expect("legal");
        let said = faults(&after, Some(&before))
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n");
        assert!(
            said.contains(word),
            "{after} must be refused with `{word}`, was: {said}"
        );
    }
}

#[tokio::test]
async fn a_real_api_server_says_the_same() {
    let cluster = practice_testbed::cluster().await;
    cluster.apply_crd(&practice_api::crd_yaml()).await;
    let namespace = cluster.namespace("schema").await;
    let kind = GroupVersionKind::gvk(practice_api::API_GROUP, "v1alpha1", "ConsumerGroupPractice");
    let resource = ApiResource::from_gvk_with_plural(&kind, "consumergrouppractices");
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client(), &namespace, &resource);
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let apply = |dry_run| PatchParams {
        dry_run,
        force: true,
        field_manager: Some("test".to_owned()),
        field_validation: Some(ValidationDirective::Strict),
    };
    for manifest in legal() {
        let object: DynamicObject = serde_json::from_value(manifest.clone()).expect("an object");
        api.create(&dry, &object)
            .await
            .unwrap_or_else(|error| panic!("{manifest}: {error}"));
    }
    for (word, manifest) in wrong() {
        let name = manifest["metadata"]["name"].as_str().expect("a name");
        let refused = api
            .patch(name, &apply(true), &kube::api::Patch::Apply(&manifest))
            .await;
        let said = refused
            .expect_err(&format!("the server must refuse {manifest}"))
            .to_string();
        // the server writes duplicates in its own words
        assert!(
            said.contains(word) || said.contains("duplicate") || said.contains("Duplicate"),
            "{word}: {said}"
        );
    }
    for (word, before, after) in wrong_changes() {
        let name = before["metadata"]["name"].as_str().expect("a name");
        api.patch(name, &apply(false), &kube::api::Patch::Apply(&before))
            .await
            .expect("legal");
        let refused = api
            .patch(name, &apply(true), &kube::api::Patch::Apply(&after))
            .await;
        let said = refused
            .expect_err(&format!("the server must refuse {after}"))
            .to_string();
        assert!(said.contains(word), "{word}: {said}");
    }
}
