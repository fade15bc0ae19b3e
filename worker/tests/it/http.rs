//! The worker's HTTP interface.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use practice_contract::{
    Assignor, Protocol, events::WorkerEvent, handled::Handled, status::Ownership,
};
use practice_testbed::openmetrics::{Exposition, reference};

use crate::{
    kafka::{create_topic, fill},
    kit::{SOON, Worker, settings, unique, until},
    servers,
};

/// Milliseconds since the epoch.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = now.expect("after 1970").as_millis();
    i64::try_from(millis).expect("fits until the year 292 million")
}

#[test]
fn status_has_the_member_and_its_partitions() {
    for protocol in [Protocol::Classic, Protocol::Consumer] {
        let (topic, group) = (unique("status"), unique("status"));
        create_topic(&servers(), &topic, 2);
        fill(&servers(), &topic, 2, 10);
        let mut settings = settings(&servers(), &topic, &group, protocol);
        settings.instance = Some("pod-7".to_owned());
        settings.assignor = Assignor::Range;
        let worker = Worker::start(&settings);
        until("ten messages, committed", || {
            worker
                .status()
                .assignment
                .iter()
                .all(|owned| owned.committed == Some(5))
                .then_some(worker.done() == 10)?
                .then_some(())
        });
        let status = worker.status();
        assert_eq!((&*status.instance, &*status.group), ("pod-7", &*group));
        assert_eq!(
            (status.protocol, status.assignor),
            (protocol, Assignor::Range)
        );
        assert_eq!((status.consumed, status.abandoned), (10, 0));
        assert!(status.joined && status.member_id.is_some_and(|id| !id.is_empty()));
        assert_eq!(status.rebalances[0].what, Ownership::Assigned);
        assert_eq!(worker.get("/livez").0, 200);
        let (head, metrics) = worker.answer("/metrics");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(
            head.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"),
            "{head}"
        );
        for line in [
            "practice_worker_messages_consumed_total 10",
            "practice_worker_joined 1",
            "practice_worker_partitions 2",
        ] {
            assert!(
                metrics.lines().any(|has| has == line),
                "{line} in {metrics}"
            );
        }
        assert_eq!(worker.get("/nothing").0, 404);
    }
}

#[test]
fn a_worker_tells_which_messages_it_has_handled_and_when() {
    let (topic, group) = (unique("handled"), unique("handled"));
    create_topic(&servers(), &topic, 2);
    let mut settings = settings(&servers(), &topic, &group, Protocol::Classic);
    settings.delay = Duration::from_millis(200);
    let worker = Worker::start(&settings);
    until("it owns the partitions", || {
        (worker.partitions() == [0, 1]).then_some(())
    });
    let before = now();
    fill(&servers(), &topic, 2, 6);
    let handled = |query: &str| -> Handled {
        let (status, body) = worker.get(&format!("/handled{query}"));
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    };
    let all = until("all are handled and committed", || {
        let all = handled("");
        let done: u64 = all.ranges.iter().map(|range| range.count).sum();
        let committed = all.ranges.iter().all(|range| range.committed_at.is_some());
        (done == 6 && committed).then_some(all)
    });
    let after = now();
    assert_eq!((&all.group, all.more), (&group, false));
    assert!(all.known_since <= before, "{all:?}");
    for range in &all.ranges {
        let committed = range.committed_at.expect("was waited for");
        assert!(
            range
                .produced_at
                .is_some_and(|at| before <= at && at <= range.taken_at)
                && range.taken_at + 200 <= range.done_at,
            "the delay is between: {range:?}"
        );
        assert!(
            range.done_at <= committed && committed <= after,
            "{range:?}"
        );
    }
    for partition in [0, 1] {
        let of = handled(&format!("?topic={topic}&partition={partition}"));
        let offsets: Vec<i64> = of.ranges.iter().flat_map(|r| r.from..=r.to).collect();
        assert_eq!(offsets, [0, 1, 2], "each once, in their order");
    }
    let one = handled(&format!("?topic={topic}&partition=1&from=2&to=2"));
    assert!(
        matches!(&one.ranges[..], [range] if range.from <= 2 && range.to == 2),
        "{one:?}"
    );
    assert_eq!(handled("?topic=another").ranges, []);
    for (query, named) in [
        ("?partition=first", "partition"),
        ("?from=1.5", "from"),
        ("?offset=3", "offset"),
    ] {
        let (status, body) = worker.get(&format!("/handled{query}"));
        assert_eq!(status, 400, "{body}");
        assert!(
            body.contains(named) && body.contains("write topic=NAME"),
            "{body}"
        );
    }
}

#[test]
fn docs_have_each_series() {
    let topic = unique("docs");
    create_topic(&servers(), &topic, 1);
    let worker = Worker::start(&settings(
        &servers(),
        &topic,
        &unique("docs"),
        Protocol::Classic,
    ));
    let metrics = worker.get("/metrics").1;
    let exposition =
        Exposition::read(&metrics).unwrap_or_else(|error| panic!("{error}\n{metrics}"));
    reference("## A worker", &exposition.rows(""));
}

#[test]
fn events_tell_of_partitions_messages_and_commits_and_end_with_the_worker() {
    let topic = unique("events");
    create_topic(&servers(), &topic, 1);
    let mut worker = Worker::start(&settings(
        &servers(),
        &topic,
        &unique("events"),
        Protocol::Classic,
    ));
    until("it owns the partition", || {
        (worker.partitions() == [0]).then_some(())
    });
    let mut stream = TcpStream::connect(worker.address()).expect("the worker should listen");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    write!(
        stream,
        "GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut lines = BufReader::new(stream).lines();
    until("the stream starts", || {
        lines.next()?.ok().filter(String::is_empty)
    });
    fill(&servers(), &topic, 1, 5);
    until("it is committed", || {
        (worker.status().assignment.first()?.committed == Some(5)).then_some(())
    });
    worker.stop();
    let events: Vec<WorkerEvent> = lines
        .map_while(Result::ok)
        .filter_map(|line| {
            Some(serde_json::from_str(line.strip_prefix("data: ")?).expect("the contract's JSON"))
        })
        .collect();
    let consumed: u64 = events
        .iter()
        .filter_map(|event| match event {
            WorkerEvent::Consumed { partitions, .. } => {
                Some(partitions.iter().map(|moved| moved.count).sum::<u64>())
            }
            _ => None,
        })
        .sum();
    assert_eq!(consumed, 5, "{events:?}");
    let committed = |event: &WorkerEvent| matches!(event, WorkerEvent::Committed { partitions, .. } if partitions[0].offset == 5);
    assert!(events.iter().any(committed), "{events:?}");
    let revoked = |event: &WorkerEvent| matches!(event, WorkerEvent::Revoked { partitions, .. } if *partitions == [format!("{topic}/0")]);
    assert!(events.iter().any(revoked), "{events:?}");
}
