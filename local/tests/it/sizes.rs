//! How large a message may be.

use crate::kit::{Local, post};

const TWO_TOPICS: &str = "
apiVersion: kafka-practice.dev/v1alpha1
kind: ConsumerGroupPractice
metadata: {name: sizes}
spec:
  topics:
    - {name: large, config: {max.message.bytes: '5242880'}}
    - {name: usual}
  groups: [{name: readers, replicas: 1}]
";

fn is_as_large_as_its_topic_accepts(args: &[&str]) {
    let local = Local::ready(TWO_TOPICS, args);
    let printed = local.output();
    assert!(!printed.contains("config is not applied"), "{printed}");
    let send = format!("/api/practices/local/{}/send", local.name);
    let value = "x".repeat(1_100_000);
    for (topic, status, part) in [
        ("large", 200, "\"sent\":1"),
        ("usual", 413, "max.message.bytes is 1048588"),
    ] {
        let message = format!(r#"{{"topic":"{topic}","value":"{value}"}}"#);
        let (code, answer) = post(local.port, &send, &message).expect("an answer");
        assert_eq!(code, status, "{answer}");
        assert!(answer.contains(part), "{answer}");
    }
    local.until("it is consumed", || {
        let readers = local.group("readers")?;
        (readers["lag"] == 0 && local.logs("readers").contains("topic large")).then_some(())
    });
}

#[test]
fn a_message_is_as_large_as_its_topic_accepts() {
    is_as_large_as_its_topic_accepts(&[]);
}

#[test]
fn so_it_is_on_apache_kafka() {
    is_as_large_as_its_topic_accepts(&["--kafka", "apache"]);
}
