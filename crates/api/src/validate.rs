//! The rules of the schema without a server. In: a manifest as JSON, and what it replaces. Out: faults, each with its
//! path, value and fix. Ranges, patterns, enums and unknown fields by a JSON-schema library against the generated
//! schema; list-map keys here; CEL by `kube`. Deliberately absent: any rule of its own.

use std::{fmt, sync::LazyLock};

use jsonschema::Validator;
use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use crate::ConsumerGroupPractice;

/// One fault of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its field: `spec.topics[0].partitions`. Empty: the whole manifest.
    pub path: String,
    /// The fault and its fix.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// Faults for which an API server rejects `manifest` (a whole object: apiVersion, kind, metadata, spec), unknown fields
/// included as with `kubectl apply`. `old` is the object that it replaces: then rules about changes apply too. Empty: legal.
pub fn faults(manifest: &Value, old: Option<&ConsumerGroupPractice>) -> Vec<Fault> {
    let mut faults: Vec<Fault> = SCHEMA
        .validator
        .iter_errors(manifest)
        .map(|error| Fault {
            path: dotted(&error.instance_path().to_string()),
            message: error.to_string(),
        })
        .collect();
    duplicates(&SCHEMA.document, manifest, "", &mut faults);
    if !faults.is_empty() {
        return faults;
    }
    // deserializing sets defaults, as the server does before it compares
    let practice: ConsumerGroupPractice = match serde_json::from_value(manifest.clone()) {
        Ok(practice) => practice,
        Err(error) => {
            return vec![Fault {
                path: String::new(),
                message: error.to_string(),
            }];
        }
    };
    cel_faults(&practice, old)
}

/// The CEL rules alone: rules about several fields of an object, or about a change of it.
pub fn cel_faults(
    practice: &ConsumerGroupPractice,
    old: Option<&ConsumerGroupPractice>,
) -> Vec<Fault> {
    // no rule is about the status, and rules are checked on a JSON tree, which of a large status takes megabytes
    let practice = without_status(practice);
    let checked = match old {
        Some(old) => practice.validate_cel_update(&without_status(old)),
        None => practice.validate_cel(),
    };
    match checked {
        Ok(()) => Vec::new(),
        Err(errors) => errors
            .into_iter()
            .map(|error| Fault {
                path: error.field_path.trim_start_matches('.').to_owned(),
                message: error.message.clone(),
            })
            .collect(),
    }
}

fn without_status(practice: &ConsumerGroupPractice) -> ConsumerGroupPractice {
    ConsumerGroupPractice {
        metadata: practice.metadata.clone(),
        spec: practice.spec.clone(),
        status: None,
    }
}

struct Schema {
    validator: Validator,
    document: Value,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let crd =
        serde_json::to_value(ConsumerGroupPractice::crd()).expect("a CRD should be serializable");
    let mut document = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    for (name, schema) in [
        ("apiVersion", json!({"type": "string"})),
        ("kind", json!({"type": "string"})),
        ("metadata", json!({"type": "object"})),
    ] {
        document["properties"][name] = schema;
    }
    strict(&mut document);
    let validator =
        jsonschema::draft7::new(&document).expect("the generated schema should be legal");
    Schema {
        validator,
        document,
    }
});

/// `OpenAPI` 3.0 to JSON schema: `nullable` becomes a type, and fields that `properties` does not contain are rejected.
fn strict(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if object.get("nullable") == Some(&Value::Bool(true)) {
        if let Some(kind) = object.get("type").cloned() {
            object.insert("type".into(), json!([kind, "null"]));
        }
        if let Some(Value::Array(values)) = object.get_mut("enum") {
            values.push(Value::Null);
        }
    }
    object.remove("format");
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(strict);
        object.insert("additionalProperties".into(), Value::Bool(false));
    } else if let Some(values) = object.get_mut("additionalProperties") {
        strict(values);
    }
    if let Some(items) = object.get_mut("items") {
        strict(items);
    }
}

/// `x-kubernetes-list-type: map` and `set`: each key once.
fn duplicates(schema: &Value, value: &Value, path: &str, faults: &mut Vec<Fault>) {
    match value {
        Value::Object(fields) => {
            let none = Map::new();
            let properties = schema["properties"].as_object().unwrap_or(&none);
            for (name, field) in fields {
                if let Some(schema) = properties.get(name) {
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    duplicates(schema, field, &path, faults);
                }
            }
        }
        Value::Array(items) => {
            let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
                .as_array()
                .map(|keys| keys.iter().filter_map(Value::as_str).collect())
                .unwrap_or_default();
            let unique = !keys.is_empty() || schema["x-kubernetes-list-type"] == "set";
            let identity = |item: &Value| -> Vec<Value> {
                if keys.is_empty() {
                    vec![item.clone()]
                } else {
                    keys.iter().map(|key| item[*key].clone()).collect()
                }
            };
            for (i, item) in items.iter().enumerate() {
                if unique
                    && items[..i]
                        .iter()
                        .any(|before| identity(before) == identity(item))
                {
                    let name = identity(item)
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join(", ");
                    let message = format!("duplicate {name}: each may occur once");
                    faults.push(Fault {
                        path: format!("{path}[{i}]"),
                        message,
                    });
                }
                duplicates(&schema["items"], item, &format!("{path}[{i}]"), faults);
            }
        }
        _ => {}
    }
}

/// `/spec/topics/0/name` to `spec.topics[0].name`.
fn dotted(pointer: &str) -> String {
    let parts =
        pointer
            .split('/')
            .skip(1)
            .enumerate()
            .map(|(i, part)| match part.parse::<usize>() {
                Ok(index) => format!("[{index}]"),
                Err(_) if i == 0 => part.to_owned(),
                Err(_) => format!(".{part}"),
            });
    parts.collect()
}
