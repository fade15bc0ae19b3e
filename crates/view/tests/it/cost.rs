//! Cost of fifty pages, compared with one: processor time of the server's own threads, while 6 groups of 2 consumers read 12
//! partitions, each worker reports messages ten times a second, and Kafka is polled twice a second.

use std::{convert::Infallible, fs::OpenOptions, io::Write, time::Duration};

use axum::{
    Router,
    response::{
        Sse,
        sse::{Event as Frame, KeepAlive},
    },
    routing::get,
};
use practice_contract::events::{Moved, WorkerEvent};
use practice_view::Hub;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Handle},
    time::interval,
};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Client, P, until},
    world::{World, key, means},
};

const GROUPS: i32 = 6;
const PARTITIONS: i32 = 12;
const LONG: Duration = Duration::from_secs(5);

/// A worker that reports messages in these partitions.
async fn talking(partitions: Vec<i32>) -> String {
    let events = get(move || async move {
        let first = (0_i64, interval(Duration::from_millis(100)));
        let stream = futures::stream::unfold(first, move |(offset, mut ticks)| {
            let partitions = partitions.clone();
            async move {
                ticks.tick().await;
                let moved = |partition| Moved {
                    topic: "t".to_owned(),
                    partition,
                    offset,
                    count: 2,
                };
                let partitions = partitions.into_iter().map(moved).collect();
                let event = WorkerEvent::Consumed { at: 0, partitions };
                let frame = Frame::default()
                    .event(event.word())
                    .json_data(&event)
                    .expect("JSON");
                Some((Ok::<_, Infallible>(frame), (offset + 2, ticks)))
            }
        });
        Sse::new(stream).keep_alive(KeepAlive::new())
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let router = Router::new().route("/events", events);
    tokio::spawn(practice_serve::serve(
        listener,
        router,
        practice_serve::Limits::default(),
        CancellationToken::new(),
    ));
    url
}

async fn busy() -> World {
    let mut world = World::calm();
    world.ends = vec![10; usize::try_from(PARTITIONS).expect("positive")];
    world.groups.clear();
    for group in 0..GROUPS {
        let halves = [
            (0..PARTITIONS / 2).collect::<Vec<_>>(),
            (PARTITIONS / 2..PARTITIONS).collect(),
        ];
        let mut members = Vec::new();
        for (half, partitions) in halves.into_iter().enumerate() {
            let name = format!("g{group}-{half}");
            world
                .urls
                .insert(name.clone(), talking(partitions.clone()).await);
            members.push((name, partitions));
        }
        world.groups.insert(format!("g{group}"), members);
    }
    world
}

/// Processor time of the threads of that name, in hundredths of a second.
fn processor_time(name: &str) -> u64 {
    let threads = std::fs::read_dir("/proc/self/task")
        .expect("Linux")
        .filter_map(Result::ok);
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok())
        .filter_map(|stat| {
            let (before, after) = stat.rsplit_once(')')?;
            let fields: Vec<&str> = after.split_whitespace().collect();
            let time = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
            before.ends_with(name).then_some(time(11)? + time(12)?)
        })
        .sum()
}

/// On the server's threads, which draw.
async fn publish(server: &Handle, hub: &Hub, world: &World) {
    let (hub, facts) = (hub.clone(), world.facts());
    server
        .spawn(async move { hub.publish(facts) })
        .await
        .expect("no panic");
}

/// Processor time with that many pages, which get events all the time, in hundredths of a second.
async fn cost(server: &Handle, hub: &Hub, client: &Client, world: &mut World, pages: usize) -> u64 {
    let mut readers = Vec::new();
    for _ in 0..pages {
        let mut stream = client.stream(&format!("{P}/stream")).await;
        readers.push(tokio::spawn(async move {
            let mut bytes = 0;
            while let Some(some) = stream.raw().await {
                bytes += some;
            }
            bytes
        }));
    }
    until("the workers are heard", async || hub.is_watched(&key())).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = processor_time("view");
    let mut ticks = interval(Duration::from_millis(500));
    for _ in 0..LONG.as_millis() / 500 {
        ticks.tick().await;
        world.ends.iter_mut().for_each(|end| *end += 8);
        publish(server, hub, world).await;
    }
    let took = processor_time("view") - before;
    for reader in &readers {
        assert!(!reader.is_finished(), "a page has been dropped");
        reader.abort();
    }
    until("every page is closed", async || !hub.is_watched(&key())).await;
    took
}

/// A row of the table of figures, in the file that `FIGURES` names and on standard output.
fn figure(one: u64, fifty: u64, unit: u64) {
    let times = format!("{}.{}", fifty / unit, fifty % unit * 10 / unit);
    let missed = if fifty > unit * 3 { " (missed)" } else { "" };
    let how = format!(
        "processor time of the server's threads in {} s, {PARTITIONS} partitions, {GROUPS} groups of 2: {one}0 ms, {fifty}0 ms",
        LONG.as_secs()
    );
    let row = format!("| 50 open pages vs one | {times} times{missed} | <= 3 times | - | {how} |");
    println!("{row}");
    if let Some(file) = std::env::var_os("FIGURES") {
        let opened = OpenOptions::new().append(true).create(true).open(&file);
        let written = opened.and_then(|mut file| writeln!(file, "{row}"));
        written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
fn fifty_pages_cost_at_most_three_times_what_one_costs() {
    let server = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("view")
        .enable_all()
        .build();
    let server = server.expect("threads can be started");
    let others = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("others")
        .enable_all()
        .build();
    let (hub, address) = server.block_on(async {
        let hub = Hub::new(means());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(practice_view::serve(
            listener,
            hub.clone(),
            CancellationToken::new(),
        ));
        (hub, address)
    });
    others.expect("threads can be started").block_on(async {
        let client = Client::new(address);
        let mut world = busy().await;
        publish(server.handle(), &hub, &world).await;
        let one = cost(server.handle(), &hub, &client, &mut world, 1).await;
        let fifty = cost(server.handle(), &hub, &client, &mut world, 50).await;
        // the clock counts hundredths: with fewer than five of them a ratio has no meaning
        let unit = one.max(5);
        figure(one, fifty, unit);
        assert!(fifty <= unit * 3, "{one}0 ms and {fifty}0 ms");
    });
}
