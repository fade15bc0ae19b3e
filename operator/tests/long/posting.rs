//! What a POST with acknowledgement costs: the released producer and `wrk` beside the broker on this machine's cores.

use std::{
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    common::{
        alone,
        command::{Background, done, of_node, run},
        figures::{Bound, figure, hold},
        host, kafka, until,
    },
    program::{inside, released_inside},
};

/// Room for a machine that does other things: broker, client and producer together need all of two cores.
const BUSY: f64 = 4.0;
/// In the node's network, where nothing else listens there.
const LISTEN: &str = "127.0.0.1:18081";

struct Run {
    a_second: f64,
    p50: f64,
    p99: f64,
    /// Of the producer's CPU, seconds for 1,000 requests.
    cpu: f64,
}

#[test]
fn posts_are_quick_and_acknowledged() {
    let _turn = alone();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970")
        .as_secs();
    let topic = format!("posting-{now:x}");
    kafka::create_topic(&topic, 3);
    let env = [
        ("KAFKA_SERVERS", of_node("BOOTSTRAP_HOST")),
        ("KAFKA_TOPIC", topic.clone()),
        ("KAFKA_PRACTICE_LISTEN", LISTEN.into()),
    ];
    let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut producer =
        Background::start(released_inside("practice-producer", &env).stderr(Stdio::null()));
    until("the producer is ready", Duration::from_secs(30), || {
        run(&mut inside(
            "curl",
            &["-sSf", "-m", "5", &format!("http://{LISTEN}/readyz")],
        ))
    });

    let post = |clients, seconds| post(&topic, producer.pid(), clients, seconds);
    post(64, 3); // connections and caches
    let runs = [(); 3].map(|()| post(64, 5));
    let all = runs.each_ref().map(|run| run.a_second);
    let many = runs
        .into_iter()
        .max_by(|a, b| a.a_second.total_cmp(&b.a_second))
        .expect("there are three");
    let one = post(1, 5);
    let how = format!(
        "wrk -t1 -c64 -d5s, 100 B values, acks=all, producer, wrk and broker on this machine's cores; best of {all:.0?}"
    );
    hold(
        "POST, 64 clients",
        many.a_second,
        "requests/s",
        Bound::AtLeast(20_000.0),
        BUSY,
        &how,
    );
    hold(
        "POST, 64 clients, p99",
        many.p99,
        "ms",
        Bound::AtMost(15.0),
        BUSY,
        "the same run",
    );
    figure(
        "POST, 64 clients, p50",
        many.p50,
        "ms",
        Bound::None,
        "the same run",
    );
    let cpu = "utime + stime of the same run";
    figure(
        "POST, 64 clients, CPU of the producer",
        many.cpu,
        "s / 1,000",
        Bound::None,
        cpu,
    );
    figure(
        "POST, 1 client",
        one.a_second,
        "requests/s",
        Bound::None,
        "wrk -t1 -c1 -d5s",
    );
    figure(
        "POST, 1 client, p50",
        one.p50,
        "ms",
        Bound::None,
        "the same run",
    );
    figure(
        "POST, 1 client, p99",
        one.p99,
        "ms",
        Bound::None,
        "the same run",
    );
    figure(
        "POST, 1 client, CPU of the producer",
        one.cpu,
        "s / 1,000",
        Bound::None,
        cpu,
    );
    figure(
        "producer, PSS",
        host::pss(producer.pid()),
        "MiB",
        Bound::None,
        "after these runs",
    );
    producer.terminate();
    kafka::delete_topic(&topic);
}

fn post(topic: &str, producer: u32, clients: u32, seconds: u32) -> Run {
    let body = format!(r#"{{"topic":"{topic}","value":"{}"}}"#, "x".repeat(100));
    let script = std::env::temp_dir().join(format!("cgp-post-{}.lua", std::process::id()));
    let lua = format!(
        "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = '{body}'\n"
    );
    std::fs::write(&script, lua).unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    let found = done(Command::new("which").arg("wrk"));
    let (clients, duration) = (format!("-c{clients}"), format!("-d{seconds}s"));
    let url = format!("http://{LISTEN}/send-message");
    let path = script.display().to_string();
    let before = host::cpu_seconds(producer);
    let said = done(&mut inside(
        found.trim(),
        &["-t1", &clients, &duration, "--latency", "-s", &path, &url],
    ));
    let spent = host::cpu_seconds(producer) - before;
    let _ = std::fs::remove_file(&script); // a leftover does no harm
    assert!(
        !said.contains("Non-2xx") && !said.contains("Socket errors"),
        "every request is taken:\n{said}"
    );
    let after = |head: &str| {
        let line = said
            .lines()
            .find_map(|line| line.trim().strip_prefix(head))
            .unwrap_or_else(|| panic!("no {head}\n{said}"));
        line.trim().to_owned()
    };
    let a_second: f64 = after("Requests/sec:").parse().expect("a number");
    Run {
        a_second,
        p50: millis(&after("50%")),
        p99: millis(&after("99%")),
        cpu: spent / (a_second * f64::from(seconds)) * 1000.0,
    }
}

/// `431.00us`, `4.31ms`, `1.02s`
fn millis(text: &str) -> f64 {
    let (number, factor) = match (text.strip_suffix("us"), text.strip_suffix("ms")) {
        (Some(number), _) => (number, 0.001),
        (_, Some(number)) => (number, 1.0),
        _ => (text.trim_end_matches('s'), 1000.0),
    };
    number
        .parse::<f64>()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        * factor
}
