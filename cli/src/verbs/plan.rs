//! `plan`: predicts the changes of a manifest. Reads the practice of that name from the cluster, and writes nothing. A manifest
//! that is invalid by itself needs no cluster.

use std::{io::Read, path::Path};

use kube::ResourceExt;
use practice_api::{API_GROUP, ConsumerGroupPractice, Fault, faults};
use practice_plan::{
    plan::{Defaults, Plan, plan},
    predict::{Broker, Now, Prediction, predict, rows_of_pods},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    args::{Common, Format, Plan as Asked, kubernetes_name},
    cluster::{Cluster, decoded},
    document,
    error::Failure,
    plan::{self as drawn, Shape},
    screen::{Screen, print_note},
    text::Line,
};

/// Placeholder for the Kafka of a practice without spec.kafka and without a status.
const DEFAULT_KAFKA: &str = "the operator's default";
/// Namespace of a manifest without one, when no cluster is contacted.
const NAMESPACE: &str = "default";

/// Runs the verb.
///
/// # Errors
/// The file cannot be read or holds no practice, the cluster does not answer, or a practice would be refused.
pub async fn run(common: &Common, asked: &Asked, screen: &mut Screen) -> Result<(), Failure> {
    let manifests = read_manifests(&asked.filename)?;
    let mut predictions = Vec::new();
    let mut cluster = None;
    for manifest in &manifests {
        predictions.push(predict_manifest(manifest, common, asked, &mut cluster).await?);
    }
    print_predictions(&predictions, asked.output, screen)?;
    if predictions
        .iter()
        .any(|prediction| !prediction.refused.is_empty())
    {
        return Err(Failure::Checked);
    }
    Ok(())
}

fn print_predictions(
    predictions: &[Prediction],
    format: Option<Format>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let value = |prediction: &Prediction| serde_json::to_value(prediction).unwrap_or_default();
    match (format, predictions) {
        (Some(Format::Json), [one]) => screen.raw(&document::json(&value(one))),
        (Some(Format::Json), all) => screen.raw(&document::json(&all.iter().map(value).collect())),
        (Some(Format::Yaml), all) => {
            let all: Vec<String> = all.iter().map(|one| document::yaml(&value(one))).collect();
            screen.raw(&all.join("---\n"))
        }
        (None, all) => {
            let shape = Shape {
                width: screen.width(),
                with_namespace: all.len() > 1,
            };
            let mut lines = Vec::new();
            for (place, prediction) in all.iter().enumerate() {
                if place > 0 {
                    lines.push(Line::new());
                }
                lines.extend(drawn::plan(prediction, shape));
            }
            screen.print(&lines)
        }
    }
}

/// Reads the practices of a file, in order.
fn read_manifests(path: &Path) -> Result<Vec<Value>, Failure> {
    let shown = if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    if path.is_dir() {
        let message = format!("-f `{shown}` is a directory: name a file, or - for standard input");
        return Err(Failure::Usage(message));
    }
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .lock()
            .read_to_string(&mut text)
            .map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let text =
        text.map_err(|error| Failure::Usage(format!("-f `{shown}` cannot be read: {error}")))?;
    let mut found = Vec::new();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let document = Value::deserialize(document)
            .map_err(|error| Failure::Usage(format!("-f `{shown}` is not YAML: {error}")))?;
        match document {
            Value::Null => {}
            Value::Object(ref list) if list.get("kind") == Some(&json!("List")) => {
                found.extend(
                    list.get("items")
                        .and_then(Value::as_array)
                        .cloned()
                        .unwrap_or_default(),
                );
            }
            one => found.push(one),
        }
    }
    let (practices, others): (Vec<Value>, Vec<Value>) = found.into_iter().partition(is_practice);
    for other in others {
        let word = |pointer: &str| {
            other
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or("?")
                .to_owned()
        };
        print_note(&format!(
            "skipped {} {}: not a ConsumerGroupPractice",
            word("/kind"),
            word("/metadata/name")
        ));
    }
    if practices.is_empty() {
        let wanted = format!("kind ConsumerGroupPractice of {API_GROUP}/v1alpha1");
        return Err(Failure::Usage(format!(
            "-f `{shown}` has no object of {wanted}"
        )));
    }
    Ok(practices)
}

fn is_practice(manifest: &Value) -> bool {
    let group = manifest["apiVersion"]
        .as_str()
        .and_then(|version| version.split_once('/'))
        .map(|(group, _)| group);
    manifest["kind"] == "ConsumerGroupPractice" && group == Some(API_GROUP)
}

/// Predicts the changes of one manifest. `cluster` keeps the client for further manifests.
async fn predict_manifest(
    manifest: &Value,
    common: &Common,
    asked: &Asked,
    cluster: &mut Option<Cluster>,
) -> Result<Prediction, Failure> {
    let word = |pointer: &str| {
        manifest
            .pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let (name, place) = (
        word("/metadata/name").unwrap_or_default(),
        word("/metadata/namespace"),
    );
    if let (Some(theirs), Some(typed)) = (&place, &common.namespace)
        && theirs != typed
    {
        return Err(Failure::Usage(format!(
            "-n `{typed}` differs from metadata.namespace `{theirs}` of manifest {name}: remove one of them"
        )));
    }
    let stated = place
        .clone()
        .or_else(|| common.namespace.clone())
        .unwrap_or_else(|| NAMESPACE.to_owned());
    let mut faults = list_faults(manifest, None);
    if name.is_empty() {
        faults.push("metadata.name is missing: set a name".to_owned());
    }
    if let Err(why) = kubernetes_name(&stated) {
        faults.push(format!("metadata.namespace is `{stated}`: {why}"));
    }
    if !faults.is_empty() {
        return Ok(Prediction::refused(&stated, &name, None, faults));
    }
    if asked.from_nothing {
        return Ok(Prediction {
            exists: None,
            ..predict_change(manifest, &stated, None)
        });
    }
    let here = match cluster {
        Some(cluster) => cluster.clone(),
        None => cluster.insert(Cluster::from_flags(common).await?).clone(),
    };
    let here = Cluster {
        namespace: place.unwrap_or_else(|| here.namespace.clone()),
        ..here
    };
    let live = match here.practice_if_any(&name).await? {
        Some(live) => Some(decoded(&live)?),
        None => None,
    };
    Ok(predict_change(manifest, &here.namespace, live.as_ref()))
}

/// Faults for which the API server would refuse a manifest.
fn list_faults(manifest: &Value, live: Option<&ConsumerGroupPractice>) -> Vec<String> {
    faults(manifest, live)
        .iter()
        .map(Fault::to_string)
        .collect()
}

/// Predicts the changes of a valid manifest to the live practice.
fn predict_change(
    manifest: &Value,
    namespace: &str,
    live: Option<&ConsumerGroupPractice>,
) -> Prediction {
    let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
    let refused = |faults| Prediction::refused(namespace, name, Some(live.is_some()), faults);
    let faults = if live.is_some() {
        list_faults(manifest, live)
    } else {
        Vec::new()
    };
    if !faults.is_empty() {
        return refused(faults);
    }
    let mut manifest = manifest.clone();
    manifest["metadata"]["namespace"] = json!(namespace);
    let new: ConsumerGroupPractice = match serde_json::from_value(manifest) {
        Ok(new) => new,
        Err(error) => return refused(vec![error.to_string()]),
    };
    let status = live.and_then(|live| live.status.as_ref());
    let kafka = live
        .filter(|live| live.spec.kafka.is_none())
        .and(status)
        .and_then(|status| status.bootstrap_servers.clone());
    let defaults = Defaults {
        bootstrap_servers: Some(kafka.unwrap_or_else(|| DEFAULT_KAFKA.to_owned())),
        ..Defaults::default()
    };
    let after = match plan(&new, &defaults) {
        Ok(after) => after,
        Err(fault) => return refused(vec![fault.to_string()]),
    };
    let (before, fault): (Option<Plan>, _) =
        match live.map(|live| plan(live, &defaults)).transpose() {
            Ok(before) => (before, None),
            Err(fault) => (None, Some(fault)),
        };
    let rows = before
        .as_ref()
        .zip(status)
        .map(|(before, status)| rows_of_pods(before, status))
        .unwrap_or_default();
    let now = before.as_ref().map(|plan| Now {
        plan,
        status,
        rows: &rows,
    });
    let mut prediction = predict(&after, now.as_ref(), Broker::default());
    prediction.exists = Some(live.is_some());
    if let Some(fault) = fault {
        prediction.notes.push(format!(
            "the applied manifest is invalid ({fault}): an earlier one is running, so this prediction assumes that nothing runs"
        ));
    }
    if live.is_none() && new.spec.kafka.is_none() {
        prediction
            .notes
            .push("spec.kafka is not set: the operator's default is used; without a default the practice is refused".into());
    }
    if live.is_some_and(|live| live.metadata.deletion_timestamp.is_some()) {
        prediction.notes.push(format!(
            "{} is being deleted: wait for its deletion",
            new.name_any()
        ));
    }
    prediction
}
