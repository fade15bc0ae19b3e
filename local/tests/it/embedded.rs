//! With the broker in memory: consumers, messages, what can be done to them.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::kit::{Local, THREE_GROUPS, get, post};

fn owned(members: &[Value]) -> BTreeSet<i64> {
    let all = members
        .iter()
        .flat_map(|member| member["partitions"].as_array().into_iter().flatten());
    all.filter_map(|owned| owned["partition"].as_i64())
        .collect()
}

#[test]
fn every_group_gets_every_message_once() {
    let local = Local::ready(THREE_GROUPS, &[]);
    for (group, members) in [("group-1", 2), ("group-2", 3), ("group-3", 1)] {
        let members = local.settled(group, members);
        assert_eq!(
            owned(&members),
            BTreeSet::from([0, 1, 2]),
            "{group}: {members:?}"
        );
    }
    let printed = local.output();
    assert!(
        printed.contains("in memory, data deleted at exit; every group uses the KIP-848 protocol"),
        "{printed}"
    );
    assert!(
        printed.contains("group-1, group-2, group-3: protocol Consumer and assignor Range"),
        "{printed}"
    );
    let values: Vec<String> = (0..12)
        .map(|number| format!("value-{number}-end"))
        .collect();
    for value in &values {
        let printed = local.dir.stdout_of(&["send", value]);
        assert!(
            printed.starts_with("sent to my-topic, partition "),
            "{printed}"
        );
    }
    for group in ["group-1", "group-2", "group-3"] {
        local.until(&format!("{group} has everything"), || {
            (local.group(group)?["lag"] == 0 && local.logs(group).matches("value-").count() >= 12)
                .then_some(())
        });
        let logs = local.logs(group);
        for value in &values {
            assert_eq!(
                logs.matches(value.as_str()).count(),
                1,
                "{group}: {value}\n{logs}"
            );
        }
    }
    // the live view accepts messages, too
    let (code, page) = get(local.port, "/").expect("an answer");
    assert!(code == 200 && page.contains("<html"), "{code} {page}");
    let send = format!("/api/practices/local/{}/send", local.name);
    let (code, printed) = post(
        local.port,
        &send,
        r#"{"topic":"my-topic","value":"by the live view"}"#,
    )
    .expect("an answer");
    assert_eq!(code, 200, "{printed}");
    local.until("it is read", || {
        local
            .logs("group-1")
            .contains("by the live view")
            .then_some(())
    });
    let tail = local
        .dir
        .stdout_of(&["logs", "group-3-a", "--tail", "1000"]);
    assert!(
        tail.contains("assigned [") && tail.contains("value-0-end"),
        "{tail}"
    );
    local.assert_handled(&["group-1", "group-2", "group-3"]);
}

#[test]
fn every_practice_of_the_samples_runs() {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/samples");
    for (practice, groups) in [
        ("practice-1", &[("practice-1-group", 1, 0)][..]),
        ("practice-2", &[("practice-2-group", 4, 1)]),
        (
            "practice-3",
            &[
                ("my-consumer-group-1", 2, 0),
                ("my-consumer-group-2", 3, 0),
                ("my-consumer-group-3", 1, 0),
            ],
        ),
        (
            "practice-4",
            &[
                ("practice-4-both", 5, 2),
                ("practice-4-range", 5, 2),
                ("practice-4-payments-only", 2, 0),
            ],
        ),
        ("practice-5", &[("practice-5-group", 3, 0)]),
    ] {
        let manifest =
            std::fs::read_to_string(format!("{samples}/{practice}.yaml")).expect("a sample");
        let local = Local::ready(&manifest, &[]);
        for (group, members, idle) in groups {
            local.settled(group, *members);
            local.until(&format!("{idle} of {group} wait"), || {
                (local.group(group)?["idle"] == *idle).then_some(())
            });
        }
    }
}

#[test]
fn more_consumers_than_partitions_wait_and_say_why() {
    let local = Local::ready(THREE_GROUPS, &[]);
    local.settled("group-1", 2);
    let printed = local.dir.stdout_of(&["scale", "group-1", "4"]);
    assert!(
        printed.contains("2 → 4 consumers: 2 consumers start")
            && printed.contains("1 of 4 waits: 3 partitions"),
        "{printed}"
    );
    let reason = local.until("one is idle", || {
        let group = local.group("group-1")?;
        let idle = group["members"]
            .as_array()?
            .iter()
            .find_map(|member| member["idleBecause"].as_str())?;
        (group["idle"] == 1).then(|| idle.to_owned())
    });
    assert_eq!(reason, "3 partitions, 4 consumers: 1 waits");
    assert!(
        local
            .dir
            .stdout_of(&["status"])
            .contains("3 partitions, 4 consumers: 1 waits")
    );
    let path = format!("/api/practices/local/{}/groups/group-1/scale", local.name);
    let (code, printed) = post(local.port, &path, r#"{"replicas":2}"#).expect("an answer");
    assert_eq!(code, 200, "{printed}");
    let members = local.settled("group-1", 2);
    assert_eq!(owned(&members), BTreeSet::from([0, 1, 2]));
    local.dir.stdout_of(&["scale", "group-2/slow", "0"]);
    local.settled("group-2", 1);
}

#[test]
fn killed_consumer_restarts_and_its_group_detects_it_late() {
    let local = Local::ready(THREE_GROUPS, &["--restart-delay", "6s"]);
    local.settled("group-1", 2);
    // a busy machine may start it after the session of the dead one has ended: then once more
    let is_back_in_time = (0..3).any(|_| {
        let before = local.member("group-1", "group-1-a").expect("a member")["memberId"].clone();
        let begun = Instant::now();
        let printed = local.dir.stdout_of(&["kill", "group-1-a"]);
        assert!(
            printed.contains("restarts after 6s") && printed.contains("detects it after 30s"),
            "{printed}"
        );
        local.until("it is down", || {
            (local.member("group-1", "group-1-a")?["state"] == "killed").then_some(())
        });
        assert!(
            local
                .dir
                .stdout_of(&["status"])
                .contains("1-a killed, restarts in")
        );
        local.until("it is back under another member id", || {
            let member = local.member("group-1", "group-1-a")?;
            (member["state"] == "running"
                && member["memberId"] != before
                && member["memberId"].is_string())
            .then_some(())
        });
        // both of its members are there until the session of the dead one ends
        let members = local.group("group-1").expect("there")["members"]
            .as_array()
            .map(Vec::len);
        let in_time = begun.elapsed() < Duration::from_secs(20);
        assert!(!in_time || members == Some(3), "{members:?}");
        let members = local.settled("group-1", 2);
        assert_eq!(owned(&members), BTreeSet::from([0, 1, 2]));
        assert!(
            begun.elapsed() > Duration::from_secs(20),
            "the session lasts 30 s, not {:?}",
            begun.elapsed()
        );
        in_time
    });
    assert!(is_back_in_time, "three times not within 20 s");
}

#[test]
fn restarted_consumer_leaves_at_once() {
    let local = Local::ready(THREE_GROUPS, &[]);
    local.settled("group-1", 2);
    // if a session had to end, each time would take 27 s or more; a busy machine may be slow once
    let is_at_once = (0..3).any(|_| {
        let before = local.member("group-1", "group-1-b").expect("a member")["memberId"].clone();
        let begun = Instant::now();
        assert!(
            local
                .dir
                .stdout_of(&["restart", "group-1-b"])
                .contains("SIGTERM")
        );
        local.until("it is back under another member id", || {
            let member = local.member("group-1", "group-1-b")?;
            (member["memberId"].is_string() && member["memberId"] != before).then_some(())
        });
        let members = local.settled("group-1", 2);
        assert_eq!(owned(&members), BTreeSet::from([0, 1, 2]));
        begun.elapsed() < Duration::from_secs(25)
    });
    assert!(is_at_once, "it waited for a session to end three times");
    let log = local.log("group-1-b");
    assert!(log.contains("left group group-1"), "{log}");
    local.until("it has partitions again", || {
        (local.log("group-1-b").matches("assigned [").count() >= 2).then_some(())
    });
}

#[test]
fn paused_consumer_is_idle_until_resumed() {
    let local = Local::ready(THREE_GROUPS, &[]);
    local.settled("group-3", 1);
    assert!(
        local
            .dir
            .stdout_of(&["pause", "group-3-a"])
            .contains("SIGSTOP")
    );
    local.until("it is paused", || {
        (local.member("group-3", "group-3-a")?["state"] == "paused").then_some(())
    });
    assert!(local.dir.stdout_of(&["status"]).contains("3-a paused"));
    assert!(
        local
            .dir
            .refused(&["pause", "group-3-a"])
            .contains("paused already")
    );
    local.dir.stdout_of(&["send", "while-paused"]);
    local.until("other groups consume it", || {
        local.logs("group-1").contains("while-paused").then_some(())
    });
    local.until("it is behind", || {
        (local.group("group-3")?["lag"] == 1).then_some(())
    });
    assert!(!local.logs("group-3").contains("while-paused"));
    assert!(
        local
            .dir
            .stdout_of(&["resume", "group-3-a"])
            .contains("continues")
    );
    local.until("it has read it", || {
        local.logs("group-3").contains("while-paused").then_some(())
    });
    assert!(
        local
            .dir
            .refused(&["resume", "group-3-a"])
            .contains("not paused")
    );
    local.assert_handled(&["group-1", "group-2", "group-3"]);
}

#[test]
fn stopped_group_keeps_its_offsets() {
    let local = Local::ready(THREE_GROUPS, &[]);
    local.dir.stdout_of(&["send", "first"]);
    local.until("it is read and committed", || {
        (local.logs("group-1").contains("first") && local.group("group-1")?["lag"] == 0)
            .then_some(())
    });
    assert!(
        local
            .dir
            .stdout_of(&["stop", "group-1"])
            .contains("its committed offsets remain")
    );
    local.until("the group has no members", || {
        let group = local.group("group-1")?;
        (group["members"].as_array()?.is_empty()
            && group["stopped"] == true
            && group["state"] == "Empty")
            .then_some(())
    });
    assert!(
        local
            .dir
            .refused(&["stop", "group-1"])
            .contains("stopped already")
    );
    local.dir.stdout_of(&["send", "-n", "2", "second"]);
    local.until("they wait", || {
        (local.group("group-1")?["lag"] == 2).then_some(())
    });
    assert!(
        local
            .dir
            .stdout_of(&["start", "group-1"])
            .contains("2 consumers start")
    );
    local.settled("group-1", 2);
    local.until("they are read", || {
        (local.logs("group-1").matches("second").count() == 2).then_some(())
    });
    assert_eq!(
        local.logs("group-1").matches("value=first").count(),
        1,
        "nothing is read twice"
    );
    local.assert_handled(&["group-1", "group-2", "group-3"]);
}

#[test]
fn a_steady_load_is_started_and_ended() {
    let local = Local::ready(THREE_GROUPS, &[]);
    let load = format!("/api/practices/local/{}/load", local.name);
    let end = || -> Option<i64> {
        let view = local.view()?;
        Some(
            view["partitions"]
                .as_array()?
                .iter()
                .filter_map(|partition| partition["end"].as_i64())
                .sum(),
        )
    };
    let (code, printed) = post(
        local.port,
        &load,
        r#"{"messagesPerSecond":20,"valueBytes":10}"#,
    )
    .expect("an answer");
    assert!(
        code == 200 && printed.contains("20 messages a second"),
        "{code} {printed}"
    );
    local.until("messages come", || (end()? > 20).then_some(()));
    let (code, printed) = post(local.port, &load, r#"{"messagesPerSecond":0}"#).expect("an answer");
    assert!(
        code == 200 && printed.contains("no steady stream"),
        "{code} {printed}"
    );
    local.until("the producer has no stream any more", || {
        local.output().contains("no steady stream").then_some(())?;
        let before = end()?;
        std::thread::sleep(Duration::from_secs(2)); // at 20 a second there would be many in this time
        (end()? == before).then_some(())
    });
    assert!(
        local
            .dir
            .stdout_of(&["send", "afterwards"])
            .starts_with("sent")
    );
}

/// Causes of a group's rebalances, oldest first, once each has one.
fn causes(local: &Local, group: &str) -> Option<Vec<String>> {
    let view = local.view()?;
    let of_group = view["rebalances"]
        .as_array()?
        .iter()
        .rev()
        .filter(|one| one["group"] == group);
    of_group
        .map(|one| one["cause"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn journal_has_the_cause_of_each_rebalance() {
    let local = Local::ready(THREE_GROUPS, &[]);
    local.settled("group-3", 1);
    for (what, args, members, expected) in [
        ("more", &["scale", "group-3", "2"][..], 2, "ScaledUp"),
        ("fewer", &["scale", "group-3", "1"], 1, "ScaledDown"),
        (
            "more again, under a name that was there before",
            &["scale", "group-3", "2"],
            2,
            "ScaledUp",
        ),
        ("a restart", &["restart", "group-3-a"], 2, "PodDeleted"),
        ("stopped", &["stop", "group-3"], 0, "StoppedBySpec"),
        ("started", &["start", "group-3"], 2, "StartedBySpec"),
    ] {
        let before = local
            .until("what came before has its cause", || {
                causes(&local, "group-3")
            })
            .len();
        local.dir.stdout_of(args);
        let news = local.until(&format!("{what}: has its cause"), || {
            let group = local.group("group-3")?;
            // with nothing still to come that would be taken for the next change's
            let is_over = members == 0
                || group["state"] == "Stable"
                    && group["open"].as_array().is_some_and(Vec::is_empty);
            let is_over = is_over && group["members"].as_array()?.len() == members;
            let all = causes(&local, "group-3").filter(|all| is_over && all.len() > before)?;
            Some(all[before..].to_vec())
        });
        assert!(
            news.iter().all(|cause| cause == expected),
            "{what}: {news:?}"
        );
    }
    let printed = local.dir.stdout_of(&["journal", "group-3"]);
    assert!(
        printed.contains("ScaledDown") && printed.contains("group-3-a was restarted"),
        "{printed}"
    );
}
