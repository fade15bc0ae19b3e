//! Objects as JSON or YAML. Pure. In: objects of the API server. Out: equal documents, in which terminal control characters
//! are escaped by the rules of the format. managedFields are left out, as kubectl does.

use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::{args::Document, text::escaped};

/// One object, or a `List` of them as kubectl prints it.
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

/// Formats a value.
pub fn printed(format: Document, value: &Value) -> String {
    match format {
        Document::Json => json(value),
        Document::Yaml => yaml(value),
    }
}

/// Formats a value as JSON.
pub fn json(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // outside of strings there are none of these
        if c == '\n' || !is_dangerous(c) {
            out.push(c);
        } else {
            out.push_str(&unicode(c));
        }
    }
    out.push('\n');
    out
}

/// Formats a value as YAML. Strings with control characters are double-quoted, where YAML has JSON's escapes.
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

/// A word that does not occur in a text.
fn mark(text: &str) -> String {
    let mut mark = "cgpescaped".to_owned();
    while text.contains(&mark) {
        mark.push('q');
    }
    mark
}

/// Replaces each string with control characters by a numbered mark.
fn hide(value: &mut Value, mark: &str, hidden: &mut Vec<String>) {
    let mut marked = |text: &str| {
        hidden.push(text.to_owned());
        format!("{mark}{}x", hidden.len() - 1)
    };
    match value {
        Value::String(text) if text.chars().any(|c| c != '\n' && is_dangerous(c)) => {
            *text = marked(text);
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

/// Whether a character is a control, bidirectional formatting or a line separator.
fn is_dangerous(c: char) -> bool {
    !c.is_ascii_graphic() && c != ' ' && escaped(c.encode_utf8(&mut [0; 4])).starts_with('\\')
}

/// JSON escape; all dangerous characters are in the basic multilingual plane.
fn unicode(c: char) -> String {
    format!("\\u{:04x}", c as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_equal_and_have_no_control_characters() {
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
