//! `send`: sends messages with the practice's producer, through the API server. Each waits for the acknowledgement of the one
//! before, which keeps their order; none is sent twice.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    pin::pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::StatusCode;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use practice_contract::PRODUCER_PORT;
use practice_groups::handled::SentMessages;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep_until;

use crate::{
    args::{Document, MOST_FOLLOWED, Send},
    cluster::{Cluster, decoded},
    document,
    error::Failure,
    follow::{Following, Requested, follow, send_messages},
    forward::{Answer, Http},
    operator::runs,
    screen::Screen,
    sent::Sent,
    text::{Line, Tone, counted},
    verbs::consumers::Consumers,
};

/// Up to this number, each message has its own line.
const MAX_LINES: u32 = 10;
/// Least pause between two rounds of questions to the consumers.
const PAUSE: Duration = Duration::from_millis(500);
/// Greatest delay that is made up for, so that a stall is not followed by a burst.
const SLACK: Duration = Duration::from_millis(10);

/// Runs the verb.
///
/// # Errors
/// The producer does not run, or refuses a message; with `--follow` [`Failure::Checked`] as well.
pub async fn run(cluster: &Cluster, asked: &Send, screen: &mut Screen) -> Result<(), Failure> {
    if asked.follow && asked.count > MOST_FOLLOWED {
        return Err(Failure::Usage(format!(
            "--count {}: with --follow send at most {MOST_FOLLOWED}",
            asked.count
        )));
    }
    let practice = decoded(&cluster.practice(&asked.name).await?)?;
    if !practice.spec.producer.enabled {
        return Err(Failure::Refused(format!(
            "practice {} has no producer: spec.producer.enabled is false, set it to true",
            asked.name
        )));
    }
    let pods = cluster.pods(&asked.name, "producer").await?;
    let pod = pods
        .iter()
        .find(|pod| runs(pod))
        .ok_or_else(|| not_running(asked, &pods))?;
    let mut http = Http::new(
        cluster,
        cluster.api::<Pod>(),
        &pod.name_any(),
        PRODUCER_PORT,
    );
    let mut message = json!({"topic": asked.topic, "value": asked.value});
    if let Some(key) = &asked.key {
        message["key"] = json!(key);
    }
    if let Some(partition) = asked.partition {
        message["partition"] = json!(partition);
    }
    let body = Bytes::from(message.to_string());
    if asked.follow {
        return send_and_follow(cluster, asked, (&mut http, &body), screen).await;
    }
    let mut tally = Tally::new();
    let begun = Instant::now();
    let mut schedule = asked.rate.map(|rate| SendSchedule::of(rate, begun));
    let mut ended = Ok(());
    // one signal future for all messages, so that Ctrl-C between two of them counts
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let is_unanswered = Cell::new(false);
    for _ in 0..asked.count {
        let due = schedule
            .as_mut()
            .map(|schedule| schedule.next_due(Instant::now()));
        let one = async {
            if let Some(due) = due {
                sleep_until(due.into()).await;
            }
            is_unanswered.set(true);
            let answer = http.send("POST", "/send-message", Some(body.clone())).await;
            is_unanswered.set(false);
            answer
        };
        let answer = tokio::select! {
            answer = one => answer,
            _ = &mut interrupted => {
                let last = if is_unanswered.get() { "; it is unknown whether the last one arrived" } else { "" };
                ended = Err(Failure::Refused(format!("interrupted before all messages were sent{last}")));
                break;
            }
        };
        match answer.and_then(|answer| parse_answer(&answer)) {
            Ok((_, answer)) if asked.output == Some(Document::Json) => {
                screen.raw(&document::json(&answer))?;
            }
            Ok((_, answer)) if asked.output == Some(Document::Yaml) => {
                screen.raw(&format!("---\n{}", document::yaml(&answer)))?;
            }
            Ok((sent, _)) if asked.count <= MAX_LINES => screen.print([&line(&sent)])?,
            Ok((sent, _)) => tally.count(&sent),
            Err(failure) => {
                ended = Err(failure);
                break;
            }
        }
    }
    if asked.count > MAX_LINES && asked.output.is_none() {
        screen.print(&tally.lines(begun.elapsed()))?;
    }
    ended
}

async fn send_and_follow(
    cluster: &Cluster,
    asked: &Send,
    (http, body): (&mut Http<'_>, &Bytes),
    screen: &mut Screen,
) -> Result<(), Failure> {
    let sent = RefCell::new(SentMessages::default());
    let mut consumers = Consumers::of(cluster, &asked.name, &asked.topic);
    let following = Following {
        practice: &asked.name,
        timeout: asked.timeout,
        pause: PAUSE,
        output: asked.output,
    };
    let requested = Requested {
        key: asked.key.as_deref(),
        partition: asked.partition,
        count: asked.count,
        is_printed: asked.output.is_none(),
    };
    let sending = async |screen: &mut Screen| {
        let rate = asked.rate;
        let mut schedule = rate.map(|rate| SendSchedule::of(rate, Instant::now()));
        let one = async || {
            if let Some(schedule) = &mut schedule {
                sleep_until(schedule.next_due(Instant::now()).into()).await;
            }
            let answer = http.send("POST", "/send-message", Some(body.clone())).await;
            answer
                .and_then(|answer| parse_answer(&answer))
                .map(|(sent, _)| sent)
        };
        send_messages(requested, &sent, screen, one).await
    };
    let ask = async |sent: &SentMessages| consumers.ask(sent).await;
    follow(&following, &sent, sending, ask, screen).await
}

fn not_running(asked: &Send, pods: &[Pod]) -> Failure {
    let what = match pods.first() {
        None => format!("practice {} has no producer pod yet", asked.name),
        Some(pod) => format!("producer pod {} is not ready", pod.name_any()),
    };
    Failure::Refused(format!(
        "{what}: see condition ProducerAvailable in kubectl cgp describe {}",
        asked.name
    ))
}

/// Parses the producer's answer; a refusal becomes a failure with the `detail` of the producer's problem document.
fn parse_answer(answer: &Answer) -> Result<(Sent, Value), Failure> {
    if answer.status.is_success() {
        let document = serde_json::from_slice::<Value>(&answer.body);
        let sent = document.and_then(|document| Ok((Sent::deserialize(&document)?, document)));
        return sent.map_err(|error| {
            Failure::Refused(format!("cannot decode the producer's answer: {error}"))
        });
    }
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let detail = match problem["detail"].as_str() {
        Some(detail) => detail.to_owned(),
        None => String::from_utf8_lossy(&answer.body).into_owned(),
    };
    let what = if answer.status == StatusCode::GATEWAY_TIMEOUT {
        "it is unknown whether the message was persisted"
    } else {
        "the producer refused the message"
    };
    Err(Failure::Refused(format!(
        "{what}: {}: {detail}",
        answer.status
    )))
}

/// `my-topic/2 @ offset 41`
fn line(sent: &Sent) -> Line {
    let offset = sent
        .offset
        .map_or_else(|| "?".to_owned(), |offset| offset.to_string());
    Line::of(Tone::Good, "✔ sent").and(
        Tone::Plain,
        &format!("  {}/{} @ offset {offset}", sent.topic, sent.partition),
    )
}

/// Schedule of a constant rate of messages.
struct SendSchedule {
    every: Duration,
    due: Instant,
}

impl SendSchedule {
    fn of(rate: f64, begun: Instant) -> Self {
        Self {
            every: Duration::from_secs_f64(1.0 / rate),
            due: begun,
        }
    }

    /// Time of the next message. A late timer is made up for; a stall is not.
    fn next_due(&mut self, now: Instant) -> Instant {
        let due = now
            .checked_sub(SLACK)
            .map_or(self.due, |earliest| self.due.max(earliest));
        self.due = due + self.every;
        due
    }
}

/// Summary of many messages.
struct Tally {
    /// Number, first and last offset by partition.
    partitions: BTreeMap<(String, i32), (usize, Option<i64>, Option<i64>)>,
}

impl Tally {
    fn new() -> Self {
        Self {
            partitions: BTreeMap::new(),
        }
    }

    fn count(&mut self, sent: &Sent) {
        let entry = self
            .partitions
            .entry((sent.topic.clone(), sent.partition))
            .or_insert((0, sent.offset, sent.offset));
        entry.0 += 1;
        entry.2 = sent.offset.or(entry.2);
    }

    fn lines(&self, took: Duration) -> Vec<Line> {
        let all: usize = self.partitions.values().map(|(count, ..)| count).sum();
        let tenths = took.as_millis() / 100;
        let rate = u128::try_from(all).unwrap_or_default() * 1000 / took.as_millis().max(1);
        let tone = if all == 0 { Tone::Warn } else { Tone::Good };
        let summary = format!(
            "{} sent in {}.{} s, {rate} a second",
            counted(all, "message"),
            tenths / 10,
            tenths % 10
        );
        let mut lines = vec![Line::of(tone, &summary)];
        for ((topic, partition), (count, first, last)) in &self.partitions {
            let offset = |offset: &Option<i64>| {
                offset.map_or_else(|| "?".to_owned(), |offset| offset.to_string())
            };
            let place = format!(
                "  {topic}/{partition}  {count} @ offsets {}..{}",
                offset(first),
                offset(last)
            );
            lines.push(Line::plain(&place));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_messages_are_summarised() {
        let mut tally = Tally::new();
        for (partition, offset) in [(0, 7), (1, 3), (0, 8)] {
            tally.count(&Sent {
                topic: "t".to_owned(),
                partition,
                offset: Some(offset),
                timestamp: None,
                random_key: None,
                partitions: None,
            });
        }
        let lines: Vec<String> = tally
            .lines(Duration::from_millis(1500))
            .iter()
            .map(Line::text)
            .collect();
        assert_eq!(
            lines,
            [
                "3 messages sent in 1.5 s, 2 a second",
                "  t/0  2 @ offsets 7..8",
                "  t/1  1 @ offsets 3..3"
            ]
        );
    }

    #[test]
    fn the_rate_is_kept_after_a_stall() {
        let begun = Instant::now();
        let after = |ms: u64| begun + Duration::from_millis(ms);
        let mut schedule = SendSchedule::of(10.0, begun);
        // time of the call, due time
        for (now, due) in [
            (0, 0),
            (1, 100),
            (102, 200),
            (205, 300),
            (5_300, 5_290),
            (5_301, 5_390),
            (5_391, 5_490),
        ] {
            assert_eq!(schedule.next_due(after(now)), after(due), "{now}");
        }
    }

    #[test]
    fn refusal_shows_the_problem_of_the_producer() {
        let body = Bytes::from(
            r#"{"type":"/docs","title":"Not Found","status":404,"detail":"topic `x` does not exist"}"#,
        );
        let failure = parse_answer(&Answer {
            status: StatusCode::NOT_FOUND,
            body,
        })
        .expect_err("refused");
        let message = failure.to_string();
        assert!(
            message.contains("404 Not Found: topic `x` does not exist") && !message.contains('{'),
            "{message}"
        );
        let other = parse_answer(&Answer {
            status: StatusCode::BAD_GATEWAY,
            body: Bytes::from("no upstream"),
        });
        let other = other.expect_err("refused").to_string();
        assert!(other.contains("502 Bad Gateway: no upstream"), "{other}");
        let doubtful = parse_answer(&Answer {
            status: StatusCode::GATEWAY_TIMEOUT,
            body: Bytes::from("{}"),
        })
        .expect_err("in doubt")
        .to_string();
        assert!(
            doubtful.starts_with("it is unknown whether the message was persisted: 504"),
            "{doubtful}"
        );
    }
}
