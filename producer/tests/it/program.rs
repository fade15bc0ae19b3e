//! The program: its exit codes, and its end under load.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use practice_contract::ProducerSettings;
use practice_testbed::Kafka;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStderr, Command},
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    client::{Client, PATIENCE, settings, until},
    topic,
};

/// The producer's program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_practice-producer");

pub(crate) struct Program {
    child: Child,
    // kept, so that the process can write
    _lines: Lines<BufReader<ChildStderr>>,
    address: SocketAddr,
    pub(crate) client: Client,
}

impl Program {
    async fn start(settings: &ProducerSettings) -> Self {
        Self::start_as(Path::new(PROGRAM), settings).await
    }

    async fn start_as(program: &Path, settings: &ProducerSettings) -> Self {
        let mut child = command(program, &settings.to_env())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let address = loop {
            let line = timeout(PATIENCE, lines.next_line())
                .await
                .expect("in time")
                .expect("readable");
            let line = line.expect("it listens before it ends");
            if let Some((_, address)) = line.split_once("http://") {
                break address.parse().expect("an address");
            }
        };
        Self {
            child,
            _lines: lines,
            address,
            client: Client::new(address),
        }
    }

    async fn ready(settings: &ProducerSettings) -> Self {
        Self::ready_as(Path::new(PROGRAM), settings).await
    }

    /// From this program.
    pub(crate) async fn ready_as(program: &Path, settings: &ProducerSettings) -> Self {
        let program = Self::start_as(program, settings).await;
        until("ready", async || program.client.is_ready().await).await;
        program
    }

    pub(crate) async fn terminate(&self) {
        let pid = self.child.id().expect("running").to_string();
        let kill = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .expect("kill");
        assert!(kill.success());
    }

    pub(crate) async fn ended(mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait())
            .await
            .expect("in time")
            .expect("a status")
    }
}

fn command(program: &Path, env: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(env.iter().cloned())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn an_environment_that_it_cannot_start_with_is_exit_code_2() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let servers = ("KAFKA_SERVERS", "127.0.0.1:1".to_owned());
    for (env, expected) in [
        (vec![], "KAFKA_SERVERS is not set".to_owned()),
        (
            vec![("KAFKA_SERVERS", "nowhere".to_owned())],
            "KAFKA_SERVERS is `nowhere`: write host:port".to_owned(),
        ),
        (
            vec![
                servers.clone(),
                ("KAFKA_PRACTICE_LISTEN", "8081".to_owned()),
            ],
            "KAFKA_PRACTICE_LISTEN is `8081`".to_owned(),
        ),
        (
            vec![servers, ("KAFKA_PRACTICE_LISTEN", address.clone())],
            format!("KAFKA_PRACTICE_LISTEN is `{address}`: cannot listen there"),
        ),
    ] {
        let output = timeout(PATIENCE, command(Path::new(PROGRAM), &env).output())
            .await
            .expect("in time")
            .expect("started");
        let received = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{received}");
        assert!(received.contains(&expected), "{received}");
    }
}

#[tokio::test]
async fn without_kafka_it_opens_its_port_and_ends_at_once() {
    let program = Program::start(&settings("127.0.0.1:1", &["t"])).await;
    assert_eq!(
        program
            .client
            .get("/livez")
            .await
            .expect("an answer")
            .status,
        200
    );
    assert_eq!(
        program
            .client
            .get("/readyz")
            .await
            .expect("an answer")
            .status,
        503
    );
    let answer = program
        .client
        .message(&json!({"topic": "t", "value": "v"}))
        .await
        .expect("an answer");
    answer.is_problem(503, &["has not been reached yet"]);
    let begun = Instant::now();
    program.terminate().await;
    assert_eq!(program.ended().await.code(), Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
}

/// What became of each value: a status, or `None` when the connection ended instead.
type Fates = Arc<Mutex<HashMap<String, Option<u16>>>>;

/// Sends numbered values, one after the other, until the program takes no more.
async fn send_until_it_ends(client: Client, name: usize, fates: Fates) {
    for number in 0.. {
        let value = format!("{name}-{number}");
        let answer = client.message(&json!({"topic": "t", "value": value})).await;
        let fate = answer.ok().map(|answer| answer.status);
        fates.lock().expect("not poisoned").insert(value, fate);
        if fate.is_none() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_leaves_no_doubt() {
    let kafka = Kafka::start().await;
    kafka.create_topic("t", 3).await;
    let program = Program::ready(&settings(kafka.bootstrap(), &["t"])).await;
    let fates = Fates::default();
    let mut senders = JoinSet::new();
    for name in 0..32 {
        senders.spawn(send_until_it_ends(
            program.client.clone(),
            name,
            Arc::clone(&fates),
        ));
    }
    until("load", async || {
        fates.lock().expect("not poisoned").len() > 2000
    })
    .await;
    let begun = Instant::now();
    program.terminate().await;
    assert_eq!(program.ended().await.code(), Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    timeout(PATIENCE, senders.join_all())
        .await
        .expect("in time");

    let records = topic::read(kafka.bootstrap(), "t").await;
    let mut stored = HashMap::<&str, usize>::new();
    for record in &records {
        *stored.entry(&record.value).or_default() += 1;
    }
    let fates = fates.lock().expect("not poisoned");
    for (value, fate) in fates.iter() {
        let times = stored.get(value.as_str()).copied().unwrap_or_default();
        match fate {
            Some(200) => assert_eq!(times, 1, "{value} was acknowledged"),
            // never accepted: the connection was closed before the request was read
            None | Some(503) => assert_eq!(times, 0, "{value}: {fate:?}"),
            other => panic!("{value}: {other:?}"),
        }
    }
    assert!(fates.values().filter(|fate| **fate == Some(200)).count() > 1900);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_while_kafka_hangs_answers_what_was_accepted() {
    let kafka = Kafka::start().await;
    kafka.create_topic("t", 1).await;
    let program = Program::ready(&settings(kafka.bootstrap(), &["t"])).await;
    program
        .client
        .message(&json!({"topic": "t", "value": "before"}))
        .await
        .expect("an answer")
        .is_sent("t");
    kafka.pause();
    let mut waiting = JoinSet::new();
    for number in 0..10 {
        let client = program.client.clone();
        waiting.spawn(async move {
            let value = number.to_string();
            let answer = client.message(&json!({"topic": "t", "value": value})).await;
            (value, answer)
        });
    }
    let in_flight = "practice_producer_messages_in_flight 10";
    until("accepted", async || {
        let metrics = program
            .client
            .get("/metrics")
            .await
            .expect("an answer")
            .text;
        metrics.lines().any(|line| line == in_flight)
    })
    .await;
    let begun = Instant::now();
    program.terminate().await;
    let mut refused = Vec::new();
    for (value, answer) in timeout(PATIENCE, waiting.join_all())
        .await
        .expect("in time")
    {
        let answer = answer.expect("an answer, not a broken connection");
        assert!(matches!(answer.status, 503 | 504), "{}", answer.text);
        if answer.status == 503 {
            refused.push(value);
        }
    }
    assert!(refused.len() < 10, "Kafka got at least one request");
    assert_eq!(program.ended().await.code(), Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "{:?}",
        begun.elapsed()
    );
    kafka.resume();
    let next = Program::ready(&settings(kafka.bootstrap(), &["t"])).await;
    let after = json!({"topic": "t", "value": "after"});
    let answer = next.client.message(&after).await.expect("an answer");
    answer.is_sent("t");
    for record in topic::read(kafka.bootstrap(), "t").await {
        assert!(!refused.contains(&record.value), "{record:?} was 503");
    }
    next.terminate().await;
    assert_eq!(next.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_connections_do_not_keep_others_waiting() {
    let kafka = practice_testbed::kafka().await;
    let topic = practice_testbed::unique("slow");
    kafka.create_topic(&topic, 1).await;
    let program = Program::ready(&settings(kafka.bootstrap(), &[&topic])).await;
    let mut slow = Vec::new();
    let begins: [&[u8]; 2] = [
        b"POST /send-message HTTP/1.1\r\nX: ",
        b"POST /send-message HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{",
    ];
    for begin in begins.into_iter().cycle().take(2000) {
        let mut stream = TcpStream::connect(program.address).await.expect("accepted");
        let _ = stream.write_all(begin).await; // it may have had to make room already
        slow.push(stream);
        if slow.len() > 500 {
            slow.remove(0); // files are limited here, too
        }
    }
    for _ in 0..10 {
        // a new connection each time
        let client = Client::new(program.address);
        let begun = Instant::now();
        client
            .message(&json!({"topic": topic, "value": "v"}))
            .await
            .expect("an answer")
            .is_sent(&topic);
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
    }
    // a body that does not arrive is answered with 408
    let mut stream = TcpStream::connect(program.address).await.expect("accepted");
    stream.write_all(begins[1]).await.expect("sent");
    let mut received = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut received))
        .await
        .expect("in time")
        .expect("UTF-8");
    assert!(
        received.starts_with("HTTP/1.1 408") && received.contains("/docs#incomplete"),
        "{received}"
    );
    program.terminate().await;
    assert_eq!(program.ended().await.code(), Some(0));
}

/// At most this much garbage a second.
const GARBAGE_A_SECOND: u64 = 100 << 20;
/// At least this much garbage in all, for at least this time, and beside at least so many messages.
const GARBAGE: u64 = 50 << 20;
const GARBAGE_TIME: Duration = Duration::from_secs(5);
const MESSAGES: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_garbage_costs_neither_answers_nor_memory() {
    let kafka = practice_testbed::kafka().await;
    let topic = practice_testbed::unique("garbage");
    kafka.create_topic(&topic, 1).await;
    let program = Program::ready(&settings(kafka.bootstrap(), &[&topic])).await;
    let heads: [&[u8]; 4] = [
        b"",
        b"POST /send-message HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n",
        b"POST /send-message HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n",
        b"POST /send-message HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n",
    ];
    let share = GARBAGE_A_SECOND / 4;
    let written = Arc::<AtomicU64>::default();
    let mut floods = JoinSet::new();
    for head in heads {
        floods.spawn(flood(program.address, head, share, Arc::clone(&written)));
    }
    let begun = Instant::now();
    let mut took = Vec::new();
    loop {
        let garbage = written.load(Ordering::Relaxed);
        if begun.elapsed() >= GARBAGE_TIME && took.len() >= MESSAGES && garbage >= GARBAGE {
            break;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{} messages beside {garbage} bytes of garbage",
            took.len()
        );
        let client = Client::new(program.address);
        let asked = Instant::now();
        client
            .message(&json!({"topic": topic, "value": "v"}))
            .await
            .expect("an answer")
            .is_sent(&topic);
        took.push(asked.elapsed());
    }
    floods.shutdown().await;
    // the median: a busy machine may keep one of them for a while
    took.sort_unstable();
    assert!(took[took.len() / 2] < Duration::from_secs(2), "{took:?}");
    let status = std::fs::read_to_string(format!(
        "/proc/{}/status",
        program.child.id().expect("running")
    ));
    let peak = status
        .expect("it runs")
        .lines()
        .find_map(|line| Some(line.strip_prefix("VmHWM:")?.trim().to_owned()));
    let peak: usize = peak
        .expect("proc(5)")
        .trim_end_matches(" kB")
        .parse()
        .expect("a number");
    assert!(
        peak < 64 << 10,
        "{peak} KiB at its peak, {written:?} bytes of garbage"
    );
    program.terminate().await;
    assert_eq!(program.ended().await.code(), Some(0));
}

/// Writes bytes that are no JSON and no HTTP, again and again over new connections, at most so many a second. Never ends; `all`
/// counts what every flood has written.
async fn flood(address: SocketAddr, head: &[u8], a_second: u64, all: Arc<AtomicU64>) {
    let junk: Vec<u8> = (0..64 << 10)
        .map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0])
        .collect();
    let (begun, mut written) = (Instant::now(), 0_u64);
    loop {
        let Ok(mut stream) = TcpStream::connect(address).await else {
            continue;
        };
        let mut next = head;
        // until it is closed: it has understood
        while let Ok(Ok(())) = timeout(GARBAGE_TIME, stream.write_all(next)).await {
            written += next.len() as u64;
            all.fetch_add(next.len() as u64, Ordering::Relaxed);
            next = &junk;
            let due = begun + Duration::from_millis(written * 1000 / a_second);
            tokio::time::sleep_until(due).await;
        }
    }
}
