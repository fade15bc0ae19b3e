//! A request's body, read. In: bytes. Out: a message with the right types, or every field that is wrong with its value
//! and the fix. Deliberately absent: what Kafka knows (whether the topic exists, how many partitions it has).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::{Problem, WrongField};

/// Longest piece of a value that an error repeats, in characters.
const SHOWN: usize = 60;
const FIELDS: [&str; 4] = ["topic", "value", "key", "partition"];

/// The body of a POST to `/send-message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The topic, one of the practice's.
    #[schema(example = "my-topic")]
    pub topic: String,
    /// The text that consumers get.
    #[schema(example = "hello")]
    pub value: String,
    /// Messages with the same key go to the same partition, that of Kafka's own clients; `""` is a key as well. Without one: a
    /// random UUID, or no key at all, as the practice's `producer.keys` specifies.
    #[schema(nullable, required = false)]
    pub key: Option<String>,
    /// The partition, from 0. Without one it follows from the key.
    #[schema(nullable, required = false, minimum = 0)]
    pub partition: Option<i32>,
}

impl Message {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Result<Self, Problem> {
        let json: Value = serde_json::from_slice(body).map_err(|error| {
            Problem::Syntax(format!("{error}; send an object such as {EXAMPLE}"))
        })?;
        let Value::Object(mut fields) = json else {
            return Err(Problem::field(
                "",
                format!(
                    "the body is {}: send an object such as {EXAMPLE}",
                    shown(&json)
                ),
            ));
        };
        let mut wrong = Vec::new();
        let topic = text(&mut fields, "topic", &mut wrong);
        let value = text(&mut fields, "value", &mut wrong);
        let key = fields
            .remove("key")
            .filter(|key| !key.is_null())
            .and_then(|key| string("key", key, &mut wrong));
        let partition = partition(&mut fields, &mut wrong);
        wrong.extend(fields.keys().map(|name| unknown(name)));
        match (topic, value) {
            (Some(topic), Some(value)) if wrong.is_empty() => Ok(Self {
                topic,
                value,
                key,
                partition,
            }),
            _ => Err(Problem::Wrong(wrong)),
        }
    }
}

const EXAMPLE: &str = r#"{"topic": "my-topic", "value": "hello"}"#;

/// A text that has to be there.
fn text(
    fields: &mut Map<String, Value>,
    name: &str,
    wrong: &mut Vec<WrongField>,
) -> Option<String> {
    let fix = match name {
        "topic" => "write the name of the topic to send to",
        _ => "write the text to send, \"\" for an empty one",
    };
    match fields.remove(name) {
        None => refuse(wrong, name, format!("`{name}` is missing: {fix}")),
        Some(Value::Null) => refuse(wrong, name, format!("`{name}` is null: {fix}")),
        Some(Value::String(empty)) if name == "topic" && empty.is_empty() => {
            refuse(wrong, name, format!("`{name}` is \"\": {fix}"))
        }
        Some(value) => string(name, value, wrong),
    }
}

fn string(name: &str, value: Value, wrong: &mut Vec<WrongField>) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        other => {
            let fix = if other.is_array() || other.is_object() {
                "write a text; JSON inside it has to be escaped".to_owned()
            } else {
                format!("write a text such as \"{other}\"")
            };
            refuse(wrong, name, format!("`{name}` is {}: {fix}", shown(&other)))
        }
    }
}

fn partition(fields: &mut Map<String, Value>, wrong: &mut Vec<WrongField>) -> Option<i32> {
    let value = fields
        .remove("partition")
        .filter(|value| !value.is_null())?;
    // numbers too large for a partition are out of range like any other: the range is known later
    match value
        .as_i64()
        .map(|number| i32::try_from(number).unwrap_or(if number < 0 { -1 } else { i32::MAX }))
    {
        Some(number) if number >= 0 => Some(number),
        _ => {
            let fix = "write a whole number from 0, without quotes, or leave it out";
            refuse(
                wrong,
                "partition",
                format!("`partition` is {}: {fix}", shown(&value)),
            )
        }
    }
}

fn unknown(name: &str) -> WrongField {
    let detail = format!(
        "`{}` is not a field of a message: use only {}",
        cut(name),
        FIELDS.join(", ")
    );
    WrongField {
        field: cut(name),
        detail,
    }
}

fn refuse<T>(wrong: &mut Vec<WrongField>, field: &str, detail: String) -> Option<T> {
    wrong.push(WrongField {
        field: field.to_owned(),
        detail,
    });
    None
}

fn shown(value: &Value) -> String {
    cut(&value.to_string())
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_original_reads() {
        let full = Message::read(br#"{"topic": "t", "value": "v", "key": "k", "partition": 2}"#)
            .expect("legal");
        assert_eq!(
            full,
            Message {
                topic: "t".into(),
                value: "v".into(),
                key: Some("k".into()),
                partition: Some(2)
            }
        );
        let bare = Message::read(br#"{"topic": "t", "value": "", "key": null, "partition": null}"#)
            .expect("legal");
        assert_eq!(
            bare,
            Message {
                topic: "t".into(),
                value: String::new(),
                key: None,
                partition: None
            }
        );
    }

    #[test]
    fn what_is_not_json_is_400() {
        for body in [
            "",
            "{",
            "{\"topic\":}",
            "topic=t",
            "{} x",
            "{\"value\": \"\\ud800\"}",
        ] {
            assert_eq!(
                Message::read(body.as_bytes())
                    .expect_err(body)
                    .status()
                    .as_u16(),
                400,
                "{body}"
            );
        }
        assert_eq!(
            Message::read(b"{\"topic\": \"\xff\"}")
                .expect_err("not UTF-8")
                .status()
                .as_u16(),
            400
        );
        let deep = "[".repeat(100_000);
        assert_eq!(
            Message::read(deep.as_bytes())
                .expect_err("deep")
                .status()
                .as_u16(),
            400
        );
    }

    #[test]
    fn what_is_not_a_message_is_422_with_field_value_and_fix() {
        for (body, expected) in [
            (
                r#"{"value": "v"}"#,
                vec!["`topic` is missing: write the name"],
            ),
            (
                r#"{"topic": "t"}"#,
                vec!["`value` is missing: write the text"],
            ),
            (
                r#"{"topic": "t", "value": null}"#,
                vec!["`value` is null: write the text"],
            ),
            (r#"{"topic": "", "value": "v"}"#, vec!["`topic` is \"\""]),
            (
                r#"{"topic": 5, "value": 7.5}"#,
                vec!["`topic` is 5: write a text such as \"5\"", "`value` is 7.5"],
            ),
            (
                r#"{"topic": "t", "value": {"a": 1}}"#,
                vec!["`value` is {\"a\":1}: write a text; JSON"],
            ),
            (
                r#"{"topic": "t", "value": "v", "key": 1}"#,
                vec!["`key` is 1"],
            ),
            (
                r#"{"topic": "t", "value": "v", "partition": "1"}"#,
                vec!["`partition` is \"1\"", "without quotes"],
            ),
            (
                r#"{"topic": "t", "value": "v", "partition": -1}"#,
                vec!["`partition` is -1"],
            ),
            (
                r#"{"topic": "t", "value": "v", "partition": 1.5}"#,
                vec!["`partition` is 1.5"],
            ),
            (
                r#"{"topic": "t", "value": "v", "partition": true}"#,
                vec!["`partition` is true"],
            ),
            (
                r#"{"topic": "t", "value": "v", "Key": "k", "x": 1}"#,
                vec![
                    "`Key` is not a field",
                    "`x` is not a field",
                    "topic, value, key, partition",
                ],
            ),
            ("[]", vec!["the body is []: send an object"]),
            ("5", vec!["the body is 5: send an object"]),
        ] {
            let problem = Message::read(body.as_bytes()).expect_err(body);
            assert_eq!(problem.status().as_u16(), 422, "{body}");
            let detail = problem.to_string();
            for part in expected {
                assert!(detail.contains(part), "{body}: {detail}");
            }
        }
    }

    #[test]
    fn a_huge_partition_is_left_to_the_range_and_long_values_are_cut() {
        let message = Message::read(br#"{"topic": "t", "value": "v", "partition": 99999999999}"#)
            .expect("a number");
        assert_eq!(message.partition, Some(i32::MAX));
        let long = format!(r#"{{"topic": "t", "value": ["{}"]}}"#, "x".repeat(10_000));
        assert!(
            Message::read(long.as_bytes())
                .expect_err("an array")
                .to_string()
                .len()
                < 300
        );
    }
}
