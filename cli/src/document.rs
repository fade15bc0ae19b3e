//! Objects as JSON or YAML. Pure. In: what the API server has. Out: documents that say exactly that, and in which whatever
//! could drive a terminal is escaped the way the format has it. Left out: managedFields, as kubectl does.

use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::{args::Document, text::escaped};

/// One object, or a list of them as kubectl prints it.
pub fn value(objects: &[DynamicObject], is_one: bool) -> Value {
    let object = |object: &DynamicObject| {
        let mut value = serde_json::to_value(object).unwrap_or_default();
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        value
    };
    match objects {
        [one] if is_one => object(one),
        some => {
            json!({"apiVersion": "v1", "kind": "List", "items": some.iter().map(object).collect::<Vec<_>>()})
        }
    }
}

/// In this format.
pub fn printed(format: Document, value: &Value) -> String {
    match format {
        Document::Json => json(value),
        Document::Yaml => yaml(value),
    }
}

/// As JSON.
pub fn json(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // outside of strings there are none of these
        if c == '\n' || !is_dangerous(c) {
            out.push(c)
        } else {
            out.push_str(&unicode(c))
        }
    }
    out.push('\n');
    out
}

/// As YAML. A string that holds something dangerous is written in double quotes, which YAML reads as JSON does.
pub fn yaml(value: &Value) -> String {
    let mut value = value.clone();
    let mut quoted = Vec::new();
    let mark = mark(&value.to_string());
    hide(&mut value, &mark, &mut quoted);
    let mut text = serde_yaml::to_string(&value).unwrap_or_default();
    for (number, string) in quoted.iter().enumerate() {
        text = text.replacen(
            &format!("{mark}{number}x"),
            json(&json!(string)).trim_end(),
            1,
        );
    }
    text
}

/// A word that is nowhere in a text.
fn mark(text: &str) -> String {
    let mut mark = "cgpescaped".to_owned();
    while text.contains(&mark) {
        mark.push('q');
    }
    mark
}

/// Puts a mark with a number in the place of each dangerous string.
fn hide(value: &mut Value, mark: &str, hidden: &mut Vec<String>) {
    let mut marked = |text: &str| {
        hidden.push(text.to_owned());
        format!("{mark}{}x", hidden.len() - 1)
    };
    match value {
        Value::String(text) if text.chars().any(|c| c != '\n' && is_dangerous(c)) => {
            *text = marked(text)
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, mark, hidden)),
        Value::Object(fields) => {
            let dangerous: Vec<String> = fields
                .keys()
                .filter(|key| key.chars().any(is_dangerous))
                .cloned()
                .collect();
            for key in dangerous {
                if let Some(value) = fields.remove(&key) {
                    fields.insert(marked(&key), value);
                }
            }
            fields
                .values_mut()
                .for_each(|value| hide(value, mark, hidden));
        }
        _ => {}
    }
}

/// What is escaped elsewhere: controls, bidirectional formatting, separators.
fn is_dangerous(c: char) -> bool {
    !c.is_ascii_graphic() && c != ' ' && escaped(c.encode_utf8(&mut [0; 4])).starts_with('\\')
}

/// All of them are in the basic multilingual plane.
fn unicode(c: char) -> String {
    format!("\\u{:04x}", c as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_say_the_same_and_drive_no_terminal() {
        let nasty = "a\u{1b}[31m\u{9b}2J\u{202e}b\nc";
        let value = json!({"plain": "x", "nasty": nasty, "list": [nasty, "two\nlines", 1], "k\u{202e}": {"deep": "\u{200b}"}});
        let (json, yaml) = (json(&value), yaml(&value));
        for text in [&json, &yaml] {
            assert!(
                !text.chars().any(|c| c != '\n' && is_dangerous(c)),
                "{text}"
            );
        }
        assert_eq!(
            serde_json::from_str::<Value>(&json).expect("it is JSON"),
            value
        );
        assert_eq!(
            serde_yaml::from_str::<Value>(&yaml).expect("it is YAML"),
            value
        );
    }
}
