//! Faults of this machine: a killed broker, a disk without space, an address that is not 127.0.0.1. Each is reported with its cause.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::symlink,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;

use crate::kit::{Dir, Local, ports, program, runs, send, text};

const MANIFEST: &str = "
apiVersion: kafka-practice.dev/v1alpha1
kind: ConsumerGroupPractice
metadata: {name: faults}
spec:
  topics: [{name: my-topic, partitions: 1}]
  groups: [{name: group, replicas: 1}]
";

#[test]
fn killed_embedded_broker_is_reported() {
    for (signal, cause) in [
        (Signal::KILL, "signal: 9"),
        (Signal::TERM, "signal: 15"),
        (Signal::ABORT, "signal: 6"),
    ] {
        let mut local = Local::ready(MANIFEST, &[]);
        let family = local.family();
        let broker = local.with_words(" embedded 1");
        assert_eq!(broker.len(), 1, "{broker:?}");
        send(broker[0], signal);
        let status = local.ended(Duration::from_secs(20));
        let printed = local.output();
        assert_eq!(status.code(), Some(1), "{status}: {printed}");
        assert!(
            printed.contains(&format!("the embedded broker exited ({cause}"))
                && printed.contains("run `up` again")
                && printed.contains(".local/logs/broker.log"),
            "{printed}"
        );
        assert!(!printed.contains("panicked"), "{printed}");
        assert!(!family.into_iter().any(runs), "{printed}");
    }
}

#[test]
fn log_on_a_full_disk_is_named_with_the_reason() {
    let local = Local::ready(MANIFEST, &["--restart-delay", "1s"]);
    let log = local.dir.path().join(".local/logs/group-a.log");
    fs::remove_file(&log).expect("it is there");
    symlink("/dev/full", &log).expect("a device that is always full");
    local.dir.stdout_of(&["restart", "group-a"]);
    let expected = "group-a exited, exit status: 1 (cannot write .local/logs/group-a.log: No space left on device";
    local.until("the full disk is reported", || {
        local.output().contains(expected).then_some(())
    });
    assert!(local.output().contains(": free space there"));
    fs::remove_file(&log).expect("it is there");
    local.dir.stdout_of(&["send", "after-that"]);
    local.until("it consumes again", || {
        local.log("group-a").contains("after-that").then_some(())
    });
}

#[test]
fn log_directory_that_takes_no_byte_is_refused_before_anything_starts() {
    let dir = Dir::new();
    fs::write(dir.path().join("practice.yaml"), MANIFEST).expect("written");
    // the limit of the size of files is 0, and its signal ignored: writes fail
    let output = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "bash"])
        .arg(program().get_program())
        .args(["up", "practice.yaml", "--port-base", &ports().to_string()])
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains("free space")
            && printed.contains("cannot write .local/logs/.space: File too large"),
        "{printed}"
    );
    let logs = fs::read_dir(dir.path().join(".local/logs")).expect("there");
    assert_eq!(logs.count(), 0, "nothing started");
}

#[test]
fn standard_output_of_up_on_a_full_disk_is_reported_once() {
    let mut local = Local::launch(MANIFEST, &[], |command| {
        let full = fs::OpenOptions::new().write(true).open("/dev/full");
        command.stdout(full.expect("a device that is always full"));
    });
    local.settled("group", 1);
    local.signal(Signal::TERM);
    assert!(local.ended(Duration::from_secs(10)).success());
    let printed = local.output();
    assert!(
        printed.starts_with("practice-local: standard output: No space left on device")
            && printed.lines().count() == 1,
        "{printed}"
    );
}

/// The answer to a request with this `Host`.
fn answer(port: u16, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.3", port)).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

#[test]
fn another_loopback_address_becomes_ready_and_names_itself() {
    let local = Local::ready(MANIFEST, &["--listen", "127.0.0.3"]);
    let printed = local.output();
    assert!(
        printed.contains(&format!("http://127.0.0.3:{}", local.port)),
        "{printed}"
    );
    let sent = local.dir.stdout_of(&["send", "hello"]);
    assert!(sent.starts_with("sent to my-topic"), "{sent}");
    for (port, path) in [(local.port, "/"), (local.port + 1, "/readyz")] {
        let own = format!("127.0.0.3:{port}");
        let (ok, refused) = (answer(port, path, &own), answer(port, path, "evil.example"));
        assert!(ok.starts_with("HTTP/1.1 200"), "{ok}");
        assert!(
            refused.starts_with("HTTP/1.1 403")
                && refused.contains("Host is `evil.example`")
                && refused.contains(&format!("use http://{own}")),
            "{refused}"
        );
    }
}
