//! What it costs to consume a million messages, and how soon the first one is handled: the released worker, its lines into
//! a pipe as under a container runtime.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use crate::{
    common::{
        alone,
        command::{Background, of_node, run},
        figures::{Bound, figure, hold, median},
        host, kafka, until,
    },
    program::{free_port, released},
};

const MESSAGES: i64 = 1_000_000;
/// Room for caches that other programs empty.
const BUSY: f64 = 1.5;

#[test]
fn a_million_messages_are_cheap_and_the_first_is_soon_there() {
    let _turn = alone();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970")
        .as_secs();
    let topic = format!("consuming-{now:x}");
    kafka::create_topic(&topic, 3);
    kafka::fill(&topic, MESSAGES, 100);
    for (lines, number) in [("true", "lines on"), ("false", "lines off")] {
        let runs: Vec<Costs> = (0..3)
            .map(|round| consume(&topic, &format!("{topic}-{lines}-{round}"), lines))
            .collect();
        let all = |of: fn(&Costs) -> f64| runs.iter().map(of).collect::<Vec<f64>>();
        let (cpu, peak) = (all(|run| run.cpu), all(|run| run.peak));
        let how = format!(
            "1,000,000 x 100 B of 3 partitions, stdout to `wc`, until all are handled; median of {cpu:.2?}"
        );
        // what was promised is promised for both lines
        let bound = |most| {
            if lines == "true" {
                Bound::AtMost(most)
            } else {
                Bound::None
            }
        };
        hold(
            &format!("consuming, {number}, CPU"),
            median(cpu),
            "s",
            bound(1.5),
            BUSY,
            &how,
        );
        let how = format!("VmHWM, the same runs: {peak:.1?}");
        hold(
            &format!("consuming, {number}, peak RSS"),
            median(peak),
            "MiB",
            bound(32.0),
            1.0,
            &how,
        );
        let how = "from the start of the process, the same runs";
        figure(
            &format!("consuming, {number}"),
            median(all(|run| run.a_second)),
            "messages/s",
            Bound::None,
            how,
        );
    }
    let firsts: Vec<f64> = (0..5)
        .map(|round| first(&topic, &format!("{topic}-first-{round}")))
        .collect();
    let how = format!(
        "process start to its first `Received message` in a pipe, a new group; median of {firsts:.0?}"
    );
    figure("first message", median(firsts), "ms", Bound::None, &how);
    kafka::delete_topic(&topic);
}

#[test]
fn a_gigabyte_behind_is_not_kept_in_memory() {
    let _turn = alone();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970")
        .as_secs();
    let topic = format!("behind-{now:x}");
    kafka::create_topic(&topic, 3);
    kafka::fill(&topic, 10_000, 100_000);
    let (listen, servers) = (
        format!("127.0.0.1:{}", free_port()),
        of_node("BOOTSTRAP_HOST"),
    );
    let env = [
        ("KAFKA_PRACTICE_LISTEN", listen.as_str()),
        ("SLEEP_TIME", "5"),
    ];
    let mut worker = Background::start(
        worker(&servers, &topic, &topic)
            .stdout(Stdio::null())
            .envs(env),
    );
    std::thread::sleep(Duration::from_secs(20)); // it handles four, and fetches what it will
    let pss = host::pss(worker.pid());
    worker.terminate();
    kafka::delete_topic(&topic);
    let how = "Pss in smaps_rollup after 20 s, 10,000 messages of 100 kB waiting";
    hold(
        "worker, 1 GB behind, 5 s a message, PSS",
        pss,
        "MiB",
        Bound::AtMost(24.0),
        BUSY,
        how,
    );
}

struct Costs {
    cpu: f64,
    peak: f64,
    a_second: f64,
}

fn consume(topic: &str, group: &str, lines: &str) -> Costs {
    let (listen, servers) = (
        format!("127.0.0.1:{}", free_port()),
        of_node("BOOTSTRAP_HOST"),
    );
    let env = [
        ("KAFKA_PRACTICE_LISTEN", listen.as_str()),
        ("KAFKA_PRACTICE_LOG_MESSAGES", lines),
    ];
    let began = Instant::now();
    let mut worker = Background::start(worker(&servers, topic, group).envs(env));
    let stdout = worker.0.stdout.take().expect("it is piped");
    let mut wc = Command::new("wc")
        .arg("-l")
        .stdin(stdout)
        .stdout(Stdio::piped())
        .spawn()
        .expect("wc runs");
    let status = format!("http://{listen}/status");
    until("every message is handled", Duration::from_mins(2), || {
        let said = run(Command::new("curl").args(["-sS", "-m", "5", &status]))?;
        let status: Value =
            serde_json::from_str(&said).map_err(|error| format!("{said}: {error}"))?;
        if status["consumed"].as_i64() >= Some(MESSAGES) {
            Ok(())
        } else {
            Err(status["consumed"].to_string())
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let (cpu, peak) = (
        host::cpu_seconds(worker.pid()),
        host::peak_rss(worker.pid()),
    );
    worker.terminate();
    let mut counted = String::new();
    wc.stdout
        .take()
        .expect("it is piped")
        .read_to_string(&mut counted)
        .expect("it is text");
    wc.wait().expect("it has ended");
    let counted: i64 = counted.trim().parse().expect("a number");
    let wanted = if lines == "true" { 2 * MESSAGES } else { 0 };
    // and a few lines that tell of assignments
    assert!(
        (wanted..wanted + 100).contains(&counted),
        "{counted} lines, wanted {wanted} and a few"
    );
    #[expect(clippy::cast_precision_loss, reason = "a million is exact")]
    let a_second = MESSAGES as f64 / seconds;
    Costs {
        cpu,
        peak,
        a_second,
    }
}

/// Milliseconds from the start of a process to its first message.
fn first(topic: &str, group: &str) -> f64 {
    let servers = of_node("BOOTSTRAP_HOST");
    let listen = format!("127.0.0.1:{}", free_port());
    let began = Instant::now();
    let mut worker =
        Background::start(worker(&servers, topic, group).env("KAFKA_PRACTICE_LISTEN", &listen));
    let mut lines = BufReader::new(worker.0.stdout.take().expect("it is piped"))
        .lines()
        .map_while(Result::ok);
    let found = lines
        .find(|line| line.starts_with("Received message"))
        .is_some();
    let taken = began.elapsed();
    assert!(found, "it ended before it handled a message");
    taken.as_secs_f64() * 1000.0
}

fn worker(servers: &str, topic: &str, group: &str) -> Command {
    let env = [
        ("KAFKA_SERVERS", servers),
        ("KAFKA_TOPIC", topic),
        ("KAFKA_CONSUMER_GROUP_ID", group),
    ];
    let mut command = released("practice-worker", &env);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}
