//! `send`: messages by the practice's own producer, reached through the API server. Each is sent after the one before was
//! acknowledged, so that they keep their order; none is sent twice.

use std::{
    collections::BTreeMap,
    pin::pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use practice_contract::PRODUCER_PORT;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep_until;

use crate::{
    args::{Document, Send},
    cluster::{Cluster, decoded},
    document,
    error::Failure,
    forward::{Answer, Http},
    operator::runs,
    screen::Screen,
    text::{Line, Tone, counted},
};

/// Up to so many messages each has a line of its own.
const EACH: u32 = 10;
/// What may be made up for when messages are late.
const SLACK: Duration = Duration::from_millis(10);

/// What a producer answers.
#[derive(Debug, Deserialize)]
struct Sent {
    topic: String,
    partition: i32,
    offset: Option<i64>,
}

/// Does it.
///
/// # Errors
/// There is no producer, or it refuses.
pub async fn run(cluster: &Cluster, asked: &Send, screen: &mut Screen) -> Result<(), Failure> {
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
    let mut http = Http::to(
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
    let mut tally = Tally::new();
    let begun = Instant::now();
    let mut trend = asked.rate.map(|rate| LagTrend::of(rate, begun));
    let mut ended = Ok(());
    // one for all messages: what is pressed between two of them counts too
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    for _ in 0..asked.count {
        let due = trend.as_mut().map(|trend| trend.next_due(Instant::now()));
        let one = async {
            if let Some(due) = due {
                sleep_until(due.into()).await;
            }
            http.ask("POST", "/send-message", Some(body.clone())).await
        };
        let answer = tokio::select! {
            answer = one => answer,
            _ = &mut interrupted => {
                ended = Err(Failure::Refused("ended before all were sent; of one that was on its way nothing is known".to_owned()));
                break;
            }
        };
        match answer.and_then(|answer| acknowledged(&answer)) {
            Ok((_, said)) if asked.output == Some(Document::Json) => {
                screen.raw(&document::json(&said))?
            }
            Ok((_, said)) if asked.output == Some(Document::Yaml) => {
                screen.raw(&format!("---\n{}", document::yaml(&said)))?;
            }
            Ok((sent, _)) if asked.count <= EACH => screen.say([&line(&sent)])?,
            Ok((sent, _)) => tally.count(&sent),
            Err(failure) => {
                ended = Err(failure);
                break;
            }
        }
    }
    if asked.count > EACH && asked.output.is_none() {
        screen.say(&tally.lines(begun.elapsed()))?;
    }
    ended
}

fn not_running(asked: &Send, pods: &[Pod]) -> Failure {
    let what = match pods.first() {
        None => format!("practice {} has no producer pod yet", asked.name),
        Some(pod) => format!("the producer {} is not ready", pod.name_any()),
    };
    Failure::Refused(format!(
        "{what}: kubectl cgp describe {} says why (ProducerAvailable)",
        asked.name
    ))
}

/// Where a message is in its topic, and all that the producer said; a refusal is shown as the producer gives it.
fn acknowledged(answer: &Answer) -> Result<(Sent, Value), Failure> {
    if answer.status.is_success() {
        let said = serde_json::from_slice::<Value>(&answer.body);
        let sent = said.and_then(|said| Ok((Sent::deserialize(&said)?, said)));
        return sent.map_err(|error| {
            Failure::Refused(format!("the producer's answer is not understood: {error}"))
        });
    }
    let problem: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let said = match problem {
        Some(problem) => serde_json::to_string_pretty(&problem).unwrap_or_default(),
        None => String::from_utf8_lossy(&answer.body).into_owned(),
    };
    Err(Failure::Refused(format!(
        "the producer refuses: {}\n{said}",
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

/// So many messages a second.
struct LagTrend {
    every: Duration,
    due: Instant,
}

impl LagTrend {
    fn of(rate: f64, begun: Instant) -> Self {
        Self {
            every: Duration::from_secs_f64(1.0 / rate),
            due: begun,
        }
    }

    /// When the next one is sent. What a timer is late is made up for; after a stall there is no flood.
    fn next_due(&mut self, now: Instant) -> Instant {
        let due = now
            .checked_sub(SLACK)
            .map_or(self.due, |earliest| self.due.max(earliest));
        self.due = due + self.every;
        due
    }
}

/// What became of many messages.
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
    use hyper::StatusCode;

    use super::*;

    #[test]
    fn many_messages_are_summed_up() {
        let mut tally = Tally::new();
        for (partition, offset) in [(0, 7), (1, 3), (0, 8)] {
            tally.count(&Sent {
                topic: "t".to_owned(),
                partition,
                offset: Some(offset),
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
        let mut trend = LagTrend::of(10.0, begun);
        // when it is asked, when it is due
        for (now, due) in [
            (0, 0),
            (1, 100),
            (102, 200),
            (205, 300),
            (5_300, 5_290),
            (5_301, 5_390),
            (5_391, 5_490),
        ] {
            assert_eq!(trend.next_due(after(now)), after(due), "{now}");
        }
    }

    #[test]
    fn a_refusal_is_shown_as_it_is() {
        let body = Bytes::from(
            r#"{"type":"/docs","title":"Not Found","status":404,"detail":"there is no topic `x` here"}"#,
        );
        let failure = acknowledged(&Answer {
            status: StatusCode::NOT_FOUND,
            body,
        })
        .expect_err("refused");
        let said = failure.to_string();
        assert!(
            said.starts_with("the producer refuses: 404 Not Found\n"),
            "{said}"
        );
        assert!(
            said.contains(r#""detail": "there is no topic `x` here""#),
            "{said}"
        );
    }
}
