//! Standard output and error: control characters are escaped, a closed pipe is no failure, a full disk is.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;

use crate::kit::{Dir, Local, THREE_GROUPS, closed, described, runs, text};

/// A practice's files without the practice.
fn files() -> Dir {
    let dir = Dir::new();
    fs::write(dir.path().join("practice.yaml"), THREE_GROUPS).expect("written");
    fs::create_dir_all(dir.path().join(".local/logs")).expect("a directory");
    fs::write(
        dir.path().join(".local/logs/g-a.log"),
        "one\n\tat a\u{1b}[2J\u{9b}31m\r\nthree\n",
    )
    .expect("written");
    dir
}

#[test]
fn closed_pipe_is_no_failure() {
    let dir = files();
    for args in [
        &["plan", "practice.yaml"][..],
        &["plan", "practice.yaml", "-o", "json"],
        &["logs", "g-a"],
        &["logs", "-f", "g-a"],
    ] {
        let output = dir.printing(args, closed());
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{args:?}: {output:?}"
        );
    }
    // errors are reported then, too
    fs::write(
        dir.path().join("wrong.yaml"),
        THREE_GROUPS.replacen("replicas: 2}", "replicas: 200}", 1),
    )
    .expect("written");
    let wrong = dir.printing(&["plan", "wrong.yaml"], closed());
    assert!(
        !wrong.status.success() && text(&wrong.stderr).contains("would be refused"),
        "{wrong:?}"
    );
}

#[test]
fn full_disk_is_a_failure() {
    let dir = files();
    for args in [
        &["plan", "practice.yaml"][..],
        &["logs", "g-a"],
        &["logs", "-f", "g-a"],
    ] {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("it is always full");
        let output = dir.printing(args, full.into());
        assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
        let printed = text(&output.stderr);
        assert!(
            printed.starts_with("practice-local: standard output: "),
            "{args:?}: {printed}"
        );
    }
}

#[test]
fn logs_are_escaped() {
    assert_eq!(
        files().stdout_of(&["logs", "g-a"]),
        "one\n\tat a\\u{1b}[2J\\u{9b}31m\\r\nthree\n"
    );
}

#[test]
fn practice_without_a_terminal_runs_and_stops_in_order() {
    let mut local = Local::without_reader(THREE_GROUPS, &[]);
    for (group, members) in [("group-1", 2), ("group-2", 3), ("group-3", 1)] {
        local.settled(group, members);
    }
    for args in [&["status"][..], &["journal"], &["scale", "group-3", "1"]] {
        let output = local.dir.printing(args, closed());
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{args:?}: {output:?}"
        );
    }
    let family = local.family();
    local.signal(Signal::TERM);
    let status = local.ended(Duration::from_secs(10));
    assert!(
        status.success() && local.output().is_empty(),
        "{status}\n{}",
        local.output()
    );
    let left: Vec<String> = family
        .iter()
        .filter(|pid| runs(**pid))
        .map(|pid| described(*pid))
        .collect();
    assert!(left.is_empty(), "{left:#?}");
    assert!(
        local.log("group-1-a").contains("left group group-1"),
        "{}",
        local.log("group-1-a")
    );
}

/// Runs the command on a terminal of this size.
fn on_terminal(command: &mut Command, columns: u16, rows: u16) {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let line = format!(
        "stty cols {columns} rows {rows}; exec {} 2>&1",
        words.join(" ")
    );
    let dir = command.get_current_dir().expect("a directory").to_owned();
    let printed = fs::File::create(dir.join("output")).expect("a file");
    *command = Command::new("script");
    command
        .args(["-qfec", &line, "/dev/null"])
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(printed);
}

#[test]
fn narrow_terminal_shows_every_partition_and_marks_what_it_leaves_out() {
    let manifest = "
apiVersion: kafka-practice.dev/v1alpha1
kind: ConsumerGroupPractice
metadata: {name: narrow}
spec:
  topics: [{name: my-topic, partitions: 16}]
  groups:
    - {name: my-consumer-group-1, replicas: 2}
    - {name: my-consumer-group-2, replicas: 1, processingDelay: 50ms}
";
    for (rows, is_whole) in [(40, true), (5, false)] {
        let local = Local::launch(manifest, &[], |command| on_terminal(command, 60, rows));
        local.settled("my-consumer-group-1", 2);
        local.settled("my-consumer-group-2", 1);
        let table = local.until("the table is drawn", || {
            let printed = local.output();
            let (_, table) = printed.rsplit_once("\u{1b}[J")?;
            let mut lines: Vec<String> = table
                .lines()
                .map(|line| line.trim_end().to_owned())
                .collect();
            // events are above the table, which follows an empty line
            lines.drain(..=lines.iter().rposition(String::is_empty)?);
            let numbers = |name: &str| {
                let from = lines
                    .iter()
                    .position(|line| line.trim().starts_with(name))?;
                let words = lines[from..].iter().flat_map(|line| line.split(' '));
                Some(words.filter_map(|word| word.parse::<u8>().ok()).count())
            };
            let is_drawn = if is_whole {
                numbers("2-a")? >= 16
            } else {
                lines
                    .iter()
                    .any(|line| line.contains("… ") && line.contains(" more lines"))
            };
            is_drawn.then_some(lines)
        });
        let over = table.iter().find(|line| line.chars().count() >= 60);
        assert_eq!(over, None, "{table:#?}");
        assert!(table.len() < usize::from(rows), "{table:#?}");
    }
}
