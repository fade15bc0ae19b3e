//! Events of a page and their order; a slow page does not delay another.

use std::time::Duration;

use practice_groups::GroupState;
use practice_serve::Limits;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Event, P, put_in},
    world::{Served, World, key},
};

fn is(name: &str) -> impl Fn(&Event) -> bool {
    move |event| event.name == name
}

/// Whether a patch has more than the time and history.
fn is_news(event: &Event) -> bool {
    event.name == "patch" && event.data.get("history").is_none()
}

#[tokio::test]
async fn a_snapshot_then_patches_and_a_heartbeat_each_with_a_larger_id() {
    let served = Served::start().await;
    let mut world = World::calm();
    served.hub.publish(world.facts());
    let mut stream = served.client.stream(&format!("{P}/stream")).await;
    world.owns("g", "d", &[]);
    served.hub.publish(world.facts());
    let mut events = vec![stream.next().await.expect("it begins")];
    let beat = loop {
        let event = stream.next().await.expect("the stream is open");
        if event.name == "beat" {
            break event;
        }
        events.push(event);
    };
    assert_eq!(events[0].name, "snapshot");
    // a point of history may be sent before it
    let news = events[1..].iter().find(|event| is_news(event));
    let news = news.unwrap_or_else(|| panic!("no news: {events:?}"));
    assert_eq!(news.data["groups"][0]["members"][2]["name"], "d");
    assert!(events[1..].iter().all(is("patch")), "{events:?}");
    events.push(beat);
    let ids: Vec<_> = events
        .iter()
        .map(|event| event.id.expect("each has one"))
        .collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    served.ended().await;
}

#[tokio::test]
async fn patches_make_the_first_snapshot_the_latest() {
    let served = Served::start().await;
    let mut world = World::calm();
    served.hub.publish(world.facts());
    let (mut page, mut state) = served.client.page().await;
    for step in 0..12 {
        match step % 6 {
            0 => world.ends[1] += 3,
            1 => world.state = GroupState::PreparingRebalance,
            2 => {
                world.state = GroupState::Stable;
                world.owns("g", "a", &[0]);
                world.owns("g", "b", &[1, 2]);
            }
            3 => world.owns("g", "d", &[step]),
            4 => drop(world.groups.get_mut("h").expect("it is there").pop()),
            _ => {
                world.owns("g", "a", &[0, 1]);
                world.owns("g", "b", &[2]);
                world.owns("h", "c", &[0, 1, 2]);
            }
        }
        served.hub.publish(world.facts());
    }
    world.groups.remove("h");
    served.hub.publish(world.facts());
    // a later point of history proves that no event is missing
    let latest = loop {
        let event = page.next().await.expect("the stream is open");
        if event.name == "flow" {
            continue; // ends of partitions, which are in patches too
        }
        assert_eq!(event.name, "patch", "{event:?}");
        put_in(&mut state, event.data.as_object().expect("an object"));
        if event.data.get("history").is_some()
            && state["groups"]
                .as_array()
                .is_some_and(|groups| groups.len() == 1)
        {
            break served.client.get(P, &[]).await.json();
        }
    };
    for key in [
        "groups",
        "partitions",
        "rebalances",
        "summary",
        "kafka",
        "ready",
        "sentence",
        "actions",
    ] {
        assert_eq!(state[key], latest[key], "{key}");
    }
    let rebalances = latest["rebalances"].as_array().expect("a list");
    assert!(
        rebalances.iter().all(|rebalance| rebalance["group"] == "g"),
        "{rebalances:?}"
    );
    let newest = rebalances.first().expect("there were some");
    assert!(
        newest["moved"]
            .as_array()
            .is_some_and(|moved| !moved.is_empty()),
        "{newest}"
    );
    served.ended().await;
}

#[tokio::test]
async fn a_new_group_is_sent_in_a_snapshot() {
    let served = Served::start().await;
    let mut world = World::calm();
    served.hub.publish(world.facts());
    let (mut page, _) = served.client.page().await;
    world.groups.insert(
        "a-new-one".to_owned(),
        vec![("n".to_owned(), vec![0, 1, 2])],
    );
    served.hub.publish(world.facts());
    let again = page.until("the snapshot", is("snapshot")).await;
    let names: Vec<&Value> = again.data["groups"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|group| &group["name"])
        .collect();
    assert_eq!(names, ["a-new-one", "g", "h"]);
    served.ended().await;
}

#[tokio::test]
async fn history_has_a_point_every_two_seconds() {
    let served = Served::start().await;
    let mut world = World::calm();
    served.hub.publish(world.facts());
    let (mut page, _) = served.client.page().await;
    let has_history = |event: &Event| event.data.get("history").is_some();
    let first = page.until("a point", has_history).await.data;
    world.ends[0] += 5;
    served.hub.publish(world.facts());
    let second = page.until("another point", has_history).await.data;
    let point = |data: &Value| data["history"]["g"][0].clone();
    assert_eq!(
        (&point(&first)[1], &point(&second)[1]),
        (&json!(0), &json!(5))
    );
    let apart =
        point(&second)[0].as_i64().expect("a time") - point(&first)[0].as_i64().expect("a time");
    assert!((1_500..4_000).contains(&apart), "{apart} ms");
    let (_, whole) = served.client.page().await;
    assert!(
        whole["history"]["g"]
            .as_array()
            .is_some_and(|points| points.len() >= 2),
        "{whole}"
    );
    served.ended().await;
}

#[tokio::test]
async fn a_page_that_does_not_read_is_dropped_and_nobody_waits_for_it() {
    let served = Served::start().await;
    let mut world = World::calm();
    world.topic = "t".repeat(3_000); // large enough that no socket takes many of them
    world.ends = vec![10; 20];
    served.hub.publish(world.facts());
    // an answer that is not read is not cut here: only the page's own queue can end it, however long the changes take
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let limits = Limits {
        unread: Duration::from_hours(1),
        ..Limits::default()
    };
    let patient = practice_serve::serve(
        listener,
        practice_view::router(served.hub.clone()),
        limits,
        CancellationToken::new(),
    );
    tokio::spawn(patient);
    let mut asleep = TcpStream::connect(address).await.expect("it listens");
    let request =
        format!("GET {P}/stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    asleep.write_all(request.as_bytes()).await.expect("sent");
    asleep.readable().await.expect("it begins");
    let (mut page, mut state) = served.client.page().await;
    let mut longest = Duration::ZERO;
    for _ in 0..400 {
        world.ends.iter_mut().for_each(|end| *end += 1);
        let begun = Instant::now();
        served.hub.publish(world.facts());
        longest = longest.max(begun.elapsed());
        let patch = page.until("each change", is_news).await;
        put_in(&mut state, patch.data.as_object().expect("an object"));
    }
    assert_eq!(
        state["partitions"][0]["end"],
        json!(410),
        "the other page got everything"
    );
    assert!(
        longest < Duration::from_secs(2),
        "publishing took {longest:?}"
    );
    // dropped: its connection ends once it reads again, long before all 400 changes
    let (mut frames, mut buffer) = (0, vec![0; 1 << 20]);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        asleep.readable().await.expect("the stream is open");
        match asleep.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                frames += buffer[..read]
                    .windows(2)
                    .filter(|pair| *pair == b"\n\n")
                    .count();
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
        assert!(
            Instant::now() < deadline,
            "still open after {frames} events"
        );
    }
    assert!((200..400).contains(&frames), "{frames} events");
    served.ended().await;
}

#[tokio::test]
async fn pages_end_with_their_practice_and_with_the_program() {
    let served = Served::start().await;
    served.hub.publish(World::calm().facts());
    let (mut page, _) = served.client.page().await;
    served.hub.forget(&key());
    while let Some(event) = page.next().await {
        assert_eq!(event.name, "patch", "time goes by");
    }
    served
        .client
        .get(P, &[])
        .await
        .is_refusal(404, &["no practice"]);
    served.hub.publish(World::calm().facts());
    let (mut page, _) = served.client.page().await;
    served.stop();
    while page.next().await.is_some() {}
    served.ended().await;
}

#[tokio::test]
async fn every_practice_is_listed_in_one_line() {
    let served = Served::start().await;
    let mut other = World::calm().facts();
    other.key = ("a-team".to_owned(), "q".to_owned());
    other.status.conditions.clear();
    served.hub.publish(World::calm().facts());
    served.hub.publish(other);
    let list = served.client.get("/api/practices", &[]).await.json();
    let short: Vec<_> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|p| json!([p["namespace"], p["name"], p["ready"]]))
        .collect();
    assert_eq!(
        short,
        [json!(["a-team", "q", false]), json!(["ns", "p", true])]
    );
    assert_eq!(list[1]["summary"]["groups"], json!(0));
    served.ended().await;
}
