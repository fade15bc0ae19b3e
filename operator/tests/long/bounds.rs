//! What clients that read no answer, keep streams open or send without a length take from a producer and a worker, as they are
//! released, and whether the probes are answered meanwhile.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{
    common::{
        alone,
        command::{Background, of_node},
        figures::{Bound, figure, hold},
        host, kafka, until,
    },
    program::{free_port, released},
};

/// Room for a machine that does other things.
const BUSY: f64 = 5.0;
const FIELDS: usize = 115_000;
const UNREAD: usize = 20;
const STREAMS: usize = 2_000;
const CHUNKING: usize = 64;
const POSTS: usize = 20;

fn unique(what: &str) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("is after 1970")
        .as_secs();
    format!("{what}-{now:x}")
}

/// A request with a connection of its own, and the status of its answer.
fn ask(port: u16, head: &str) -> Result<u16, String> {
    let said = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(head.as_bytes())?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        Ok(said)
    };
    let said = said().map_err(|error| error.to_string())?;
    let status = said
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    status.ok_or(said)
}

fn get(port: u16, path: &str) -> Result<u16, String> {
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    ask(port, &head)
}

/// Asks for `/livez` as a kubelet does, but ten times a second, until it is told to stop.
struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<f64>>,
}

impl Probe {
    fn start(port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut took = Vec::new();
            while !until.load(Ordering::Relaxed) {
                let begun = Instant::now();
                assert_eq!(get(port, "/livez"), Ok(200));
                took.push(begun.elapsed().as_secs_f64() * 1_000.0);
                sleep(Duration::from_millis(100));
            }
            took
        });
        Self { stop, thread }
    }

    /// The 99th percentile, in milliseconds.
    fn p99(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        let mut took = self.thread.join().expect("each is answered");
        took.sort_by(f64::total_cmp);
        took[took.len() * 99 / 100]
    }
}

#[test]
fn a_producer_is_bounded_whatever_its_clients_do() {
    let _turn = alone();
    let topic = unique("bounds");
    kafka::create_topic(&topic, 3);
    let (port, probes) = (free_port(), free_port());
    let env = [
        ("KAFKA_SERVERS", of_node("BOOTSTRAP_HOST")),
        ("KAFKA_TOPIC", topic.clone()),
        ("KAFKA_PRACTICE_LISTEN", format!("127.0.0.1:{port}")),
        ("KAFKA_PRACTICE_PROBES", format!("127.0.0.1:{probes}")),
    ];
    let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut producer = Background::start(released("practice-producer", &env).stderr(Stdio::null()));
    until(
        "the producer is ready",
        Duration::from_secs(30),
        || match get(probes, "/readyz") {
            Ok(200) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    );

    let probe = Probe::start(probes);
    let fields: Vec<String> = (0..FIELDS).map(|n| format!(r#""{n}":0"#)).collect();
    let body = format!("{{{}}}", fields.join(","));
    let head = format!(
        "POST /send-message HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let unread: Vec<JoinHandle<Option<TcpStream>>> = (0..UNREAD)
        .map(|_| {
            let request = format!("{head}{body}");
            thread::spawn(move || {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
                stream.write_all(request.as_bytes()).ok()?; // refused: there is no room
                Some(stream)
            })
        })
        .collect();
    let unread: Vec<_> = unread.into_iter().map(JoinHandle::join).collect();
    sleep(Duration::from_secs(5));
    hold(
        "producer, 20 POSTs of 115,000 fields unread, peak RSS",
        host::peak_rss(producer.pid()),
        "MiB",
        Bound::AtMost(64.0),
        1.0,
        "VmHWM, bodies of 1.2 MB, each on a connection of its own",
    );
    drop(unread);

    let value = "v".repeat(900);
    let message = format!(r#"{{"topic":"{topic}","value":"{value}"}}"#);
    let chunked: Vec<String> = message
        .as_bytes()
        .chunks(100)
        .map(|part| format!("{:x}\r\n{}\r\n", part.len(), String::from_utf8_lossy(part)))
        .collect();
    let request = format!(
        "POST /send-message HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{}0\r\n\r\n",
        chunked.concat()
    );
    let clients: Vec<JoinHandle<usize>> = (0..CHUNKING)
        .map(|_| {
            let request = request.clone();
            thread::spawn(move || {
                (0..POSTS)
                    .filter(|_| ask(port, &request) == Ok(200))
                    .count()
            })
        })
        .collect();
    let taken: usize = clients
        .into_iter()
        .map(|client| client.join().expect("has ended"))
        .sum();
    assert_eq!(taken, CHUNKING * POSTS, "each is taken");
    hold(
        "producer, probes meanwhile, p99",
        probe.p99(),
        "ms",
        Bound::AtMost(100.0),
        BUSY,
        "GET /livez on the port of probes ten times a second, while those and 64 clients that send in chunks are served",
    );
    figure(
        "producer, RSS afterwards",
        host::rss(producer.pid()),
        "MiB",
        Bound::None,
        "VmRSS",
    );
    producer.terminate();
    kafka::delete_topic(&topic);
}

#[test]
fn a_worker_is_bounded_whatever_streams_are_open() {
    let _turn = alone();
    let topic = unique("streams");
    kafka::create_topic(&topic, 3);
    let (port, probes) = (free_port(), free_port());
    let env = [
        ("KAFKA_SERVERS", of_node("BOOTSTRAP_HOST")),
        ("KAFKA_TOPIC", topic.clone()),
        ("KAFKA_CONSUMER_GROUP_ID", topic.clone()),
        ("KAFKA_PRACTICE_LISTEN", format!("127.0.0.1:{port}")),
        ("KAFKA_PRACTICE_PROBES", format!("127.0.0.1:{probes}")),
    ];
    let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut worker = released("practice-worker", &env);
    let mut worker = Background::start(worker.stdout(Stdio::null()).stderr(Stdio::null()));
    until(
        "the worker has joined",
        Duration::from_mins(1),
        || match get(probes, "/readyz") {
            Ok(200) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    );
    let before = host::rss(worker.pid());
    let probe = Probe::start(probes);
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("is accepted");
        let head = b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream.write_all(head).ok(); // closed, to make room for others
        streams.push(stream);
    }
    sleep(Duration::from_secs(15));
    let how = "GET /livez on the port of probes ten times a second";
    hold(
        "worker, 2,000 idle streams asked for, probes meanwhile, p99",
        probe.p99(),
        "ms",
        Bound::AtMost(100.0),
        BUSY,
        how,
    );
    let how = format!("VmHWM; VmRSS before {before:.1} MiB");
    hold(
        "worker, 2,000 idle streams asked for, peak RSS",
        host::peak_rss(worker.pid()),
        "MiB",
        Bound::AtMost(64.0),
        1.0,
        &how,
    );
    until("others are served", Duration::from_secs(30), || {
        match get(port, "/status") {
            Ok(200) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    drop(streams);
    worker.terminate();
    kafka::delete_topic(&topic);
}
