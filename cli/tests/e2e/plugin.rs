//! Practice 3 in its own namespace: every verb of `kubectl cgp` against it.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::common::{
    command::{Background, done, kubectl},
    kafka,
    sample::Sample,
    scene::Scene,
    together, until,
};

/// `kubectl cgp`: kubectl finds the plugin on the PATH.
pub(crate) fn cgp(scene: &Scene, args: &[&str]) -> Command {
    let plugin = Path::new(env!("CARGO_BIN_EXE_kubectl-cgp"));
    let path = env::var_os("PATH").unwrap_or_default();
    let places = plugin
        .parent()
        .map(Path::to_owned)
        .into_iter()
        .chain(env::split_paths(&path));
    let mut command = kubectl(&["cgp"]);
    command.args(args).args(["-n", &scene.namespace]);
    command
        .env("PATH", env::join_paths(places).expect("paths of a PATH"))
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    command
}

fn run(scene: &Scene, args: &[&str]) -> Output {
    cgp(scene, args).output().expect("kubectl can be run")
}

/// Standard output; asserts success.
#[track_caller]
fn good(scene: &Scene, args: &[&str]) -> String {
    let output = run(scene, args);
    let message = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{args:?}: {message}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    message
}

/// Starts a command that runs until killed; returns its lines.
fn follow(scene: &Scene, args: &[&str]) -> (Background, impl Iterator<Item = String> + use<>) {
    let mut process = Background::start(cgp(scene, args).stdout(Stdio::piped()));
    let lines = BufReader::new(process.0.stdout.take().expect("it is piped"))
        .lines()
        .map_while(Result::ok);
    (process, lines)
}

/// Kills kubectl with its plugin: kubectl execs the plugin, so there is one process.
fn ended(mut process: Background) {
    let _ = process.0.kill(); // it has ended already
}

#[test]
fn plugin_shows_sends_and_follows_logs() {
    let _turn = together();
    let scene = Scene::new("plugin");
    let sample = Sample::load("practice-3")
        .renamed(&scene.prefix)
        .hundred_times_faster();
    let (practice, topic, groups) = (sample.practice(), sample.topic(), sample.groups());
    scene.apply(&sample);
    scene.wait_ready(practice);

    let check = good(&scene, &["check"]);
    assert!(
        check.contains("✔ kafka-practice/cgp-operator 1/1 ready")
            && check.contains("✔ the operator has all "),
        "{check}"
    );
    assert!(
        check.contains(&format!("answers: {}/{practice}", scene.namespace)),
        "{check}"
    );
    let version = good(&scene, &["version"]);
    assert!(
        version.contains("operator   ") && version.contains("/cgp-operator"),
        "{version}"
    );

    tree_has_the_owners_of_kafka(&scene, practice, &groups);
    sent_messages_appear_in_logs(&scene, practice, &topic, &groups);
    refusals_are_shown(&scene, practice, &topic);
    view_serves_the_practice(&scene, practice);
    let place = messages_are_followed(&scene, practice, &topic, &groups);
    let pod = deleted_pod_is_in_the_journal(&scene, practice, &groups[0]);
    what_a_deleted_pod_has_handled_is_unknown(&scene, practice, &groups, &place, &pod);
}

/// Compares the owners of `-o wide` with those of Kafka's own tool.
fn tree_has_the_owners_of_kafka(scene: &Scene, practice: &str, groups: &[String]) {
    let tree = good(scene, &["get", practice]);
    assert!(tree.starts_with(&format!("{practice}   ✔ Ready")), "{tree}");
    for group in groups {
        assert!(tree.contains(&format!("─ {group}")), "{tree}");
        until(
            "the flat text has the owners of Kafka's own tool",
            Duration::from_secs(30),
            || {
                let wide = good(scene, &["get", practice, "-o", "wide"]);
                let rows = wide
                    .lines()
                    .map(|line| line.split_whitespace().collect::<Vec<_>>());
                let mut shown: Vec<(i64, Option<String>)> = rows
                    .filter(|cells| cells[0] == *group)
                    .map(|cells| (cells[2].parse().unwrap_or(-1), Some(cells[9].to_owned())))
                    .collect();
                shown.sort();
                let mut truth: Vec<_> = kafka::group(group)
                    .into_iter()
                    .map(|at| (at.number, at.owner))
                    .collect();
                truth.sort();
                if shown == truth && truth.len() == 3 {
                    Ok(())
                } else {
                    Err(format!("{shown:?}, {truth:?}"))
                }
            },
        );
    }
}

fn sent_messages_appear_in_logs(scene: &Scene, practice: &str, topic: &str, groups: &[String]) {
    let (following, mut lines) = follow(scene, &["logs", practice, "-f", "--tail", "1"]);
    let escape = "red\u{1b}[31m";
    let sent = good(
        scene,
        &[
            "send",
            practice,
            "--topic",
            topic,
            "--key",
            "k",
            "--value",
            escape,
            "--partition",
            "1",
        ],
    );
    assert!(
        sent.starts_with(&format!("✔ sent  {topic}/1 @ offset ")),
        "{sent}"
    );
    let mut received = Vec::new();
    while received.len() < groups.len() {
        let line = lines.next().expect("a line");
        assert!(!line.contains('\u{1b}'), "{line:?}");
        if line.ends_with(r"Received message: key=k & value=red\u{1b}[31m") {
            received.push(line);
        }
    }
    for group in groups {
        assert!(
            received.iter().any(|line| line.starts_with(group.as_str())),
            "{group} is not among {received:#?}"
        );
    }
    ended(following);

    let message = good(
        scene,
        &["send", practice, "-t", topic, "--value", "x", "-o", "json"],
    );
    let message: serde_json::Value =
        serde_json::from_str(&message).expect("what the producer answered");
    assert!(
        message["topic"] == *topic && message["offset"].is_i64(),
        "{message}"
    );

    let many = good(
        scene,
        &[
            "send", practice, "-t", topic, "--value", "x", "--count", "60", "--rate", "200",
        ],
    );
    assert!(many.starts_with("60 messages sent in "), "{many}");
    let each = many.lines().skip(1).map(|line| {
        line.split_whitespace()
            .nth(1)
            .and_then(|n| n.parse::<u32>().ok())
    });
    assert_eq!(
        each.map(Option::unwrap_or_default).sum::<u32>(),
        60,
        "{many}"
    );
    let one = good(
        scene,
        &["logs", practice, "--group", &groups[1], "--tail", "5"],
    );
    assert!(
        one.lines().count() > 0 && one.lines().all(|line| line.starts_with(groups[1].as_str())),
        "{one}"
    );
}

fn refusals_are_shown(scene: &Scene, practice: &str, topic: &str) {
    let refused = run(
        scene,
        &[
            "send",
            practice,
            "--topic",
            topic,
            "--value",
            "x",
            "--partition",
            "9",
        ],
    );
    let message = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{message}");
    assert!(
        message.contains("422") && message.contains("`partition` is 9") && !message.contains('{'),
        "{message}"
    );

    // the first message is acknowledged, and the second one waits for its time
    let slow = [
        "send", practice, "-t", topic, "--value", "x", "--count", "2", "--rate", "0.01",
    ];
    let piped = &mut cgp(scene, &slow);
    let mut sending = Background::start(piped.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut line = String::new();
    BufReader::new(sending.0.stdout.take().expect("it is piped"))
        .read_line(&mut line)
        .expect("a line");
    assert!(line.starts_with("✔ sent  "), "{line}");
    done(Command::new("kill").args(["-INT", &sending.pid().to_string()]));
    let mut message = String::new();
    let mut errors = sending.0.stderr.take().expect("it is piped");
    errors.read_to_string(&mut message).expect("text");
    assert_eq!(
        message,
        "error: interrupted before all messages were sent\n"
    );
    assert_eq!(sending.0.wait().expect("it is our child").code(), Some(1));
}

fn view_serves_the_practice(scene: &Scene, practice: &str) {
    let (viewing, mut lines) = follow(scene, &["view", practice, "--no-open"]);
    let url = lines.next().expect("the address");
    assert!(
        url.ends_with(&format!("/p/{}/{practice}", scene.namespace)),
        "{url}"
    );
    let json = url.replace("/p/", "/api/practices/");
    for _ in 0..3 {
        let got = Command::new("curl")
            .args(["-sS", "-m", "10", &json])
            .output()
            .expect("curl can be run");
        let drawn: Value = serde_json::from_slice(&got.stdout).expect("the view is JSON");
        assert_eq!(drawn["groups"].as_array().map(Vec::len), Some(3), "{drawn}");
    }
    ended(viewing);
}

/// The document about a group.
fn document_of<'a>(document: &'a Value, group: &str) -> &'a Value {
    let groups = document["groups"].as_array().expect("groups");
    let found = groups.iter().find(|found| found["group"] == group);
    found.unwrap_or_else(|| panic!("{group}: {document}"))
}

/// Follows one message and many to the pods of each group; where the one is.
fn messages_are_followed(scene: &Scene, practice: &str, topic: &str, groups: &[String]) -> String {
    let followed = good(
        scene,
        &[
            "send", practice, "-t", topic, "--value", "followed", "--follow",
        ],
    );
    let (first, last) = (followed.lines().next(), followed.lines().last());
    let (place, rest) = first
        .and_then(|line| line.split_once("   acknowledged in "))
        .expect("where it is");
    assert!(
        place.starts_with(&format!("{topic}/")) && rest.contains(": murmur2 of key "),
        "{followed}"
    );
    assert_eq!(last, Some("3 of 3 groups handled it, each once"));
    let found = good(scene, &["where", practice, place, "-o", "json"]);
    let found: Value = serde_json::from_str(&found).expect("a document");
    for group in groups {
        let of_group = document_of(&found, group);
        let consumer = of_group["consumers"][0]["consumer"].as_str();
        let consumer = consumer.expect("a pod").to_owned();
        // what the pod itself has printed
        let log = scene.kubectl(&["logs", &consumer, "--tail=-1"]);
        let lines = log.matches("& value=followed").count();
        assert_eq!(
            (lines, &of_group["once"]),
            (1, &json!(1)),
            "{consumer}: {found}"
        );
    }
    let many = good(
        scene,
        &[
            "send",
            practice,
            "-t",
            topic,
            "--value",
            "many",
            "--count",
            "300",
            "--follow",
            "--timeout",
            "2m",
            "-o",
            "json",
        ],
    );
    let many: Value = serde_json::from_str(&many).expect("a document");
    assert_eq!(
        (&many["messages"], &many["exactlyOnce"]),
        (&json!(300), &json!(true))
    );
    for group in groups {
        assert_eq!(document_of(&many, group)["once"], 300, "{many}");
    }
    place.to_owned()
}

fn what_a_deleted_pod_has_handled_is_unknown(
    scene: &Scene,
    practice: &str,
    groups: &[String],
    place: &str,
    pod: &str,
) {
    let found = run(scene, &["where", practice, place, "-o", "json"]);
    assert_eq!(found.status.code(), Some(1), "{found:?}");
    let found: Value = serde_json::from_slice(&found.stdout).expect("a document");
    let exception = &document_of(&found, &groups[0])["exceptions"][0];
    assert_eq!(exception["result"], "Unknown", "{found}");
    let gone = exception["unknownOf"].as_array().expect("who");
    let deleted = gone.iter().find(|gone| gone["consumer"] == *pod);
    let deleted = deleted.unwrap_or_else(|| panic!("{pod}: {found}"));
    assert!(
        deleted["reason"] == "was deleted" && deleted["at"].is_string(),
        "{found}"
    );
    for group in &groups[1..] {
        assert_eq!(document_of(&found, group)["once"], 1, "{found}");
    }
}

fn deleted_pod_is_in_the_journal(scene: &Scene, practice: &str, group: &str) -> String {
    let pods = scene.get(&["pods", "-l", &format!("kafka-practice.dev/group={group}")]);
    let pod = pods["items"][0]["metadata"]["name"]
        .as_str()
        .expect("there is one")
        .to_owned();
    scene.kubectl(&["delete", "pod", &pod]);
    until("the journal has PodDeleted", Duration::from_mins(1), || {
        let journal = good(scene, &["journal", practice, "--group", group]);
        if journal.contains("PodDeleted") {
            Ok(())
        } else {
            Err(journal)
        }
    });
    let json: Value =
        serde_json::from_str(&good(scene, &["get", practice, "-o", "json"])).expect("JSON");
    assert_eq!(json["metadata"]["namespace"], json!(scene.namespace));
    pod
}
