//! Groups with `autoOffsetReset: latest`: they start at the end of their topics, and skip nothing that is sent later.

use crate::kit::Local;

/// A practice with one group, and with a `latest` one.
fn manifest(late: bool) -> String {
    let late = if late {
        "\n    - {name: late, replicas: 1, autoOffsetReset: latest}"
    } else {
        ""
    };
    format!(
        "
apiVersion: kafka-practice.dev/v1alpha1
kind: ConsumerGroupPractice
metadata: {{name: starts}}
spec:
  topics: [{{name: my-topic, partitions: 2}}]
  groups:
    - {{name: first, replicas: 1}}{late}
"
    )
}

fn send(local: &Local, value: &str) {
    for _ in 0..2 {
        let printed = local.dir.stdout_of(&["send", value]);
        assert!(printed.starts_with("sent to my-topic"), "{printed}");
    }
}

fn lag_is(local: &Local, group: &str, lag: i64) {
    local.until(&format!("lag of {group} is {lag}"), || {
        (local.group(group)?["lag"] == lag).then_some(())
    });
}

fn misses_nothing(args: &[&str]) {
    let local = Local::ready(&manifest(false), args);
    send(&local, "before-the-start");
    lag_is(&local, "first", 0);
    local.save(&manifest(true));
    local.settled("late", 1);
    local.until("its start is printed", || {
        local
            .output()
            .contains("group late starts at my-topic/0 offset ")
            .then_some(())
    });
    lag_is(&local, "late", 0);
    local.dir.stdout_of(&["stop", "late"]);
    local.until("it has left", || {
        local.group("late")?["members"]
            .as_array()?
            .is_empty()
            .then_some(())
    });
    send(&local, "while-it-is-stopped");
    lag_is(&local, "late", 2);
    local.dir.stdout_of(&["start", "late"]);
    local.settled("late", 1);
    lag_is(&local, "late", 0);
    let logs = local.logs("late");
    let count = |value: &str| logs.matches(value).count();
    assert_eq!(
        (count("before-the-start"), count("while-it-is-stopped")),
        (0, 2),
        "{logs}"
    );
}

#[test]
fn a_latest_group_on_the_embedded_broker_misses_nothing() {
    misses_nothing(&[]);
}

#[test]
fn a_latest_group_on_apache_kafka_misses_nothing() {
    misses_nothing(&["--kafka", "apache"]);
}
