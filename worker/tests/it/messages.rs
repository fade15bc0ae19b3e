//! Messages of every kind, and their lines.

use practice_contract::Protocol;

use crate::{
    kafka::{committed, create_topic, fill, send, send_in_transaction},
    kit::{Worker, settings, unique, until},
    servers,
};

#[test]
fn any_bytes_pass_and_harm_neither_the_log_nor_the_worker() {
    let topic = unique("bytes");
    create_topic(&servers(), &topic, 1);
    let large = vec![b'x'; 1_000_000];
    send(
        &servers(),
        &topic,
        [
            (0, None, None),
            (
                0,
                Some([0xff, 0xfe].as_slice()),
                Some([b'a', 0xff, b'\n'].as_slice()),
            ),
            (0, Some(b"k".as_slice()), Some(large.as_slice())),
            (0, Some(b"k".as_slice()), Some(b"".as_slice())),
        ],
    );
    let mut worker = Worker::start(&settings(
        &servers(),
        &topic,
        &unique("bytes"),
        Protocol::Classic,
    ));
    until("all four", || (worker.done() == 4).then_some(()));
    worker.stop();
    let done: Vec<String> = worker
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("Received"))
        .collect();
    assert_eq!(done[0], "Received message: key=None & value=None");
    assert_eq!(
        done[1],
        "Received message: key=\\xff\\xfe & value=a\\xff\\n"
    );
    assert!(
        done[2].ends_with("xxx... (1000000 bytes)") && done[2].len() < 9_000,
        "{} long",
        done[2].len()
    );
    assert_eq!(done[3], "Received message: key=k & value=");
}

#[test]
fn the_two_lines_can_be_switched_off() {
    let topic = unique("quiet");
    create_topic(&servers(), &topic, 1);
    fill(&servers(), &topic, 1, 10);
    let mut settings = settings(&servers(), &topic, &unique("quiet"), Protocol::Classic);
    settings.log_messages = false;
    let mut worker = Worker::start(&settings);
    until("ten messages", || {
        (worker.status().consumed == 10).then_some(())
    });
    worker.stop();
    assert_eq!(
        worker.lines(),
        [
            format!("assigned [{topic}/0]"),
            format!("revoked [{topic}/0]")
        ]
    );
}

#[test]
fn a_transaction_marker_at_the_end_is_no_lag() {
    let (topic, group) = (unique("marker"), unique("marker"));
    create_topic(&servers(), &topic, 1);
    send_in_transaction(&servers(), &topic, &unique("transaction"));
    let worker = Worker::start(&settings(&servers(), &topic, &group, Protocol::Classic));
    until("the message", || (worker.done() == 1).then_some(()));
    until("the commit lies behind the marker", || {
        (committed(&servers(), &group, &topic, 0)?.0 == 2).then_some(())
    });
    assert_eq!(worker.status().consumed, 1);
}
