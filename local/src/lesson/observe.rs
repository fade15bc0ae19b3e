//! An observation for a lesson: the status of the running practice, the ledgers of its consumers, and the answers of its producer.

use anyhow::{Context, Result, bail};
use futures::future::join_all;
use jiff::Timestamp;
use practice_api::ConsumerGroupPractice;
use practice_contract::handled::Handled;
use practice_lessons::{Answer, Observation};
use practice_operator::worker_client::Http;

use crate::{
    client::OTHER_VERSION,
    control::ask,
    request::{self, Observed, Request},
};

/// What the running practice reports.
pub(super) async fn observed() -> Result<Observed> {
    match ask(&Request::Observe).await? {
        request::Answer::Observed(observed) => Ok(*observed),
        request::Answer::Refused(why) => bail!(why),
        _ => bail!(OTHER_VERSION),
    }
}

/// The practice of an observation.
pub(super) fn practice(observed: &Observed) -> Result<ConsumerGroupPractice> {
    serde_json::from_value(observed.practice.clone()).context(OTHER_VERSION)
}

/// Asks the consumers and the producer.
pub(super) async fn observation(http: &Http, observed: &Observed) -> Result<Observation> {
    let status = practice(observed)?.status.unwrap_or_default();
    let topics = status.topics.iter();
    let partitions = topics.flat_map(|topic| {
        let numbers = 0..topic.partitions.unwrap_or_default();
        numbers.map(|number| (topic.name.as_str(), number))
    });
    let partitions: Vec<(&str, i32)> = partitions.collect();
    let ledgers = observed.consumers.iter();
    let ledgers = ledgers.map(|address| ledger(http, address, &partitions));
    let answers = async {
        match &observed.producer {
            Some(address) => answers(&http.metrics(address).await.unwrap_or_default()),
            None => Vec::new(),
        }
    };
    let (handled, answers) = tokio::join!(join_all(ledgers), answers);
    Ok(Observation {
        at: Timestamp::now().as_millisecond(),
        handled: handled.into_iter().flatten().collect(),
        answers,
        status,
    })
}

/// What a consumer has handled in these partitions; `None`: it does not answer.
async fn ledger(http: &Http, address: &str, partitions: &[(&str, i32)]) -> Option<Handled> {
    let mut all: Option<Handled> = None;
    for (topic, partition) in partitions {
        let mut from = 0;
        loop {
            let query = format!("topic={topic}&partition={partition}&from={from}");
            let mut answer = http.handled(address, &query).await.ok()?;
            let next = answer.ranges.last().filter(|_| answer.more);
            let next = next.map(|range| range.to + 1);
            match &mut all {
                Some(all) => all.ranges.append(&mut answer.ranges),
                None => all = Some(answer),
            }
            match next {
                Some(next) if next > from => from = next,
                _ => break,
            }
        }
    }
    all
}

/// Counts of the producer's answers, from its metrics.
fn answers(metrics: &str) -> Vec<Answer> {
    let counts = metrics.lines().filter_map(|line| {
        let counted = line.strip_prefix("practice_producer_answers_total{status=\"")?;
        let (status, count) = counted.split_once("\"} ")?;
        Some(Answer {
            status: status.parse().ok()?,
            count: count.parse().ok()?,
        })
    });
    counts.collect()
}
