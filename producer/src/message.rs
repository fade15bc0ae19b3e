//! A request's body, read. In: bytes. Out: a message with the right types, or every field that is wrong with its value
//! and the fix. Deliberately absent: what Kafka knows (whether the topic exists, how many partitions it has).

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::error::{Problem, WrongField};

/// Longest piece of a value that an error repeats, in characters.
const SHOWN: usize = 60;
/// Wrong fields that an answer names; it counts the others.
const MOST_WRONG: usize = 8;
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
    /// Reads a body. Fields that are no message's are skipped, and not kept in memory.
    pub fn read(body: &[u8]) -> Result<Self, Problem> {
        let syntax = |error: serde_json::Error| {
            Problem::Syntax(format!("{error}; send an object such as {EXAMPLE}"))
        };
        if !body.trim_ascii_start().starts_with(b"{") {
            let json: &RawValue = serde_json::from_slice(body).map_err(syntax)?;
            let what = format!(
                "the body is {}: send an object such as {EXAMPLE}",
                shown(json.get())
            );
            return Err(Problem::field("", what));
        }
        let mut fields: Fields<'_> = serde_json::from_slice(body).map_err(syntax)?;
        let mut wrong = Wrong::default();
        for (name, _) in FIELDS.iter().zip(fields.twice).filter(|(_, twice)| *twice) {
            wrong.add(name, format!("`{name}` is there twice: write it once"));
        }
        let topic = fields.text("topic", &mut wrong)?;
        let value = fields.text("value", &mut wrong)?;
        let key = match fields.take("key").filter(|key| key.get() != NULL) {
            Some(key) => string("key", key, &mut wrong)?,
            None => None,
        };
        let partition = fields.take("partition").filter(|raw| raw.get() != NULL);
        let partition = partition.and_then(|partition| number(partition, &mut wrong));
        wrong.add_unknown(fields);
        match (topic, value) {
            (Some(topic), Some(value)) if wrong.count == 0 => Ok(Self {
                topic,
                value,
                key,
                partition,
            }),
            _ => Err(wrong.problem()),
        }
    }
}

const EXAMPLE: &str = r#"{"topic": "my-topic", "value": "hello"}"#;
const NULL: &str = "null";

/// The fields of a body, as they are written.
#[derive(Default)]
struct Fields<'a> {
    /// In the order of [`FIELDS`].
    known: [Option<&'a RawValue>; FIELDS.len()],
    twice: [bool; FIELDS.len()],
    /// The first names that are no message's.
    unknown: Vec<String>,
    /// How many there are.
    all_unknown: usize,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Fields::default();
                while let Some(name) = map.next_key::<Cow<'_, str>>()? {
                    let Some(at) = FIELDS.iter().position(|known| *known == name) else {
                        map.next_value::<&RawValue>()?; // it has to be text, and is not kept
                        fields.all_unknown += 1;
                        if fields.unknown.len() < MOST_WRONG {
                            fields.unknown.push(cut(&name, SHOWN));
                        }
                        continue;
                    };
                    let value = map.next_value()?;
                    fields.twice[at] |= fields.known[at].replace(value).is_some();
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl<'a> Fields<'a> {
    fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = FIELDS.iter().position(|known| *known == name)?;
        self.known[at].take()
    }

    /// A text that has to be there.
    fn text(&mut self, name: &str, wrong: &mut Wrong) -> Result<Option<String>, Problem> {
        let fix = match name {
            "topic" => "write the name of the topic to send to",
            _ => "write the text to send, \"\" for an empty one",
        };
        let found = self.take(name);
        let what = match found.map(RawValue::get) {
            None => "missing",
            Some(NULL) => NULL,
            Some(empty @ "\"\"") if name == "topic" => empty,
            Some(_) => "",
        };
        match found {
            Some(value) if what.is_empty() => string(name, value, wrong),
            _ => {
                wrong.add(name, format!("`{name}` is {what}: {fix}"));
                Ok(None)
            }
        }
    }
}

/// The fields that are not accepted.
#[derive(Default)]
struct Wrong {
    named: Vec<WrongField>,
    count: usize,
}

impl Wrong {
    fn add(&mut self, field: &str, detail: String) {
        self.count += 1;
        if self.named.len() < MOST_WRONG {
            self.named.push(WrongField {
                field: field.to_owned(),
                detail,
            });
        }
    }

    fn add_unknown(&mut self, fields: Fields<'_>) {
        let counted_only = fields.all_unknown - fields.unknown.len();
        for name in fields.unknown {
            let fields = FIELDS.join(", ");
            let detail = format!("`{name}` is not a field of a message: use only {fields}");
            self.add(&name, detail);
        }
        self.count += counted_only;
    }

    fn problem(mut self) -> Problem {
        let more = self.count - self.named.len();
        if more > 0 {
            self.named.push(WrongField {
                field: String::new(),
                detail: format!("and {more} more fields are wrong"),
            });
        }
        Problem::Wrong(self.named)
    }
}

fn string(name: &str, value: &RawValue, wrong: &mut Wrong) -> Result<Option<String>, Problem> {
    let written = value.get();
    if written.starts_with('"') {
        let text = serde_json::from_str(written);
        return text
            .map(Some)
            .map_err(|error| Problem::Syntax(format!("`{name}`: {error}")));
    }
    let shown = shown(written);
    let fix = if written.starts_with(['[', '{']) {
        "write a text; JSON inside it has to be escaped".to_owned()
    } else {
        format!("write a text such as \"{shown}\"")
    };
    wrong.add(name, format!("`{name}` is {shown}: {fix}"));
    Ok(None)
}

fn number(value: &RawValue, wrong: &mut Wrong) -> Option<i32> {
    // numbers too large for a partition are out of range like any other: the range is known later
    let number = value.get().parse::<i64>();
    match number.map(|number| i32::try_from(number).unwrap_or(i32::MAX)) {
        Ok(partition) if partition >= 0 && !value.get().starts_with('-') => Some(partition),
        _ => {
            let shown = shown(value.get());
            let fix = "write a whole number from 0, without quotes, or leave it out";
            wrong.add("partition", format!("`partition` is {shown}: {fix}"));
            None
        }
    }
}

/// The beginning of a value, on one line.
fn shown(written: &str) -> String {
    let beginning = cut(written, SHOWN);
    beginning.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first characters of a text of a client, with a mark where some are left out.
pub(crate) fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
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
            "{\"topic\": \"t\", \"value\": \"\\ud800\"}",
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
                vec!["`value` is {\"a\": 1}: write a text; JSON"],
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
            (
                r#"{"topic": "t", "value": "v", "topic": "u", "k": 1, "k": 2}"#,
                vec![
                    "`topic` is there twice: write it once",
                    "`k` is not a field",
                ],
            ),
            (
                r#"{"topic": "t", "value": 1e999999999}"#,
                vec!["`value` is 1e999999999: write a text such as \"1e999999999\""],
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

    #[test]
    fn an_answer_is_short_however_many_fields_are_wrong() {
        use std::fmt::Write as _;

        let mut body = r#"{"topic": 1, "topic": "t""#.to_owned();
        for number in 0..160_000 {
            write!(body, r#","{number}{}":0"#, "x".repeat(100)).expect("is in memory");
        }
        body.push('}');
        let problem = Message::read(body.as_bytes()).expect_err("wrong");
        let Problem::Wrong(fields) = &problem else {
            panic!("{problem}")
        };
        let named: Vec<_> = fields.iter().map(|it| it.detail.as_str()).collect();
        assert_eq!(named.len(), MOST_WRONG + 1);
        assert_eq!(
            named[1],
            "`value` is missing: write the text to send, \"\" for an empty one"
        );
        assert_eq!(named[MOST_WRONG], "and 159994 more fields are wrong");
        assert!(problem.to_string().len() < 2_000);
    }

    #[test]
    fn what_a_client_wrote_is_cut() {
        let long = "9".repeat(1_000_000);
        for body in [
            format!(r#"{{"topic": "t", "value": {long}}}"#),
            format!(r#"{{"topic": "t", "value": "v", "partition": {long}}}"#),
            format!(r#"{{"topic": "t", "value": "v", "{long}": 1}}"#),
            format!(r"[{long}]"),
            long,
        ] {
            let problem = Message::read(body.as_bytes()).expect_err("wrong");
            assert_eq!(problem.status().as_u16(), 422);
            assert!(problem.to_string().len() < 400, "{problem}");
        }
    }
}
