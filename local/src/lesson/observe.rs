//! An observation for a lesson: the status of the running practice, the ledgers of its consumers, and the answers of its producer.

use anyhow::{Context, Result, bail};
use futures::future::join_all;
use jiff::Timestamp;
use practice_api::ConsumerGroupPractice;
use practice_cli::follow::ask_windows;
use practice_contract::handled::HandledQuery;
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
    let windows = Observation::windows(&status);
    let ledgers = observed.consumers.iter();
    let ledgers = ledgers.map(|consumer| {
        let ask = async |query: &HandledQuery| {
            let answer = http.handled(&consumer.address, &query.text()).await;
            answer.map_err(|error| error.to_string())
        };
        ask_windows(&windows, ask)
    });
    let answers = async {
        match &observed.producer {
            Some(address) => Answer::read(&http.metrics(address).await.unwrap_or_default()),
            None => Vec::new(),
        }
    };
    let (handled, answers) = tokio::join!(join_all(ledgers), answers);
    // a consumer that does not answer has handled nothing
    let handled = handled.into_iter().flatten().collect();
    Ok(Observation {
        at: Timestamp::now().as_millisecond(),
        handled,
        answers,
        status,
    })
}
