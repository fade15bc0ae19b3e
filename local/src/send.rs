//! `send` and `where`: messages, and the consumers of each group that have handled them. In: arguments. Out: lines or a document. The lines are
//! those of the kubectl plugin; here the consumers are asked on their ports.

use std::{cell::RefCell, time::Duration};

use anyhow::{Context, Result, bail};
use futures::future::join_all;
use practice_api::ConsumerGroupPractice;
use practice_cli::{
    args::{Document, Place},
    error::Failure,
    follow::{self, Asked, Following, Requested, ask_consumer, send_messages},
    handled::{check_place, reading_groups},
    screen::Screen,
    sent::Sent,
    text::escaped,
};
use practice_contract::handled::HandledQuery;
use practice_groups::handled::{GoneConsumer, HandledAnswer, HandledRound, SentMessages};
use practice_operator::worker_client::Http;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    args,
    client::{OTHER_VERSION, text},
    control::ask,
    output::print,
    request::{Answer, Observed, Request, RunningConsumer},
};

/// Least pause between two rounds of questions to the consumers.
const PAUSE: Duration = Duration::from_millis(100);

/// Sends messages, each after the acknowledgement of the one before; prints partition and offset of the last, or follows all.
///
/// # Errors
/// The producer refuses a message; the error counts those that were sent. With `--follow` [`Failure::Checked`] as well.
pub async fn send(message: args::Send) -> Result<()> {
    let (address, topics) = match ask(&Request::Producer).await? {
        Answer::Producer { address, topics } => (address.to_string(), topics),
        Answer::Refused(why) => bail!(why),
        _ => bail!(OTHER_VERSION),
    };
    let topic = match (&message.topic, topics.as_slice()) {
        (Some(topic), _) => topic.clone(),
        (None, [only]) => only.clone(),
        (None, several) => bail!(
            "the practice has several topics: name one with --topic: {}",
            several.join(", ")
        ),
    };
    let mut body = json!({"topic": topic, "value": message.value});
    if let Some(key) = &message.key {
        body["key"] = json!(key);
    }
    if let Some(partition) = message.partition {
        body["partition"] = json!(partition);
    }
    let producer = Producer {
        http: Http::default(),
        address,
        body,
        count: message.count,
    };
    if message.follow {
        return send_and_follow(&message, &topic, &producer).await;
    }
    let mut last = Value::Null;
    for sent in 0..message.count {
        last = producer.send(sent).await?;
    }
    let (partition, offset) = (&last["partition"], &last["offset"]);
    let summary = match message.count {
        1 => format!("sent to {topic}, partition {partition}, offset {offset}"),
        n => format!("{n} sent to {topic}, the last to partition {partition}, offset {offset}"),
    };
    print(&text(&[escaped(&summary)]))?;
    Ok(())
}

/// The producer of a running practice, and what is sent with it.
struct Producer {
    http: Http,
    address: String,
    body: Value,
    /// Number of messages.
    count: u32,
}

impl Producer {
    /// Sends one message, after so many others.
    async fn send(&self, sent: u32) -> Result<Value> {
        let answer = self.http.send(&self.address, &self.body).await;
        let (code, answer) = answer.context("the producer does not answer")?;
        if !code.is_success() {
            let why = answer["message"].as_str().unwrap_or("no reason given");
            bail!("{sent} of {} sent, then {code}: {why}", self.count);
        }
        Ok(answer)
    }
}

async fn send_and_follow(message: &args::Send, topic: &str, producer: &Producer) -> Result<()> {
    let sent = RefCell::new(SentMessages::default());
    let http = Http::default();
    let (practice, _) = observed().await?;
    let name = practice.metadata.name.unwrap_or_default();
    let following = Following {
        practice: &name,
        timeout: message.timeout,
        pause: PAUSE,
        output: message.output,
    };
    let requested = Requested {
        key: message.key.as_deref(),
        partition: message.partition,
        count: message.count,
        is_printed: message.output.is_none(),
    };
    let mut count = 0;
    let sending = async |screen: &mut Screen| {
        let one = async || {
            let answer = producer.send(count).await.map_err(refused)?;
            count += 1;
            Sent::deserialize(&answer).map_err(|error| refused(error.into()))
        };
        send_messages(requested, &sent, screen, one).await
    };
    let ask = async |sent: &SentMessages| ask_all(&http, topic, sent).await.map_err(refused);
    let mut screen = Screen::new(false);
    Ok(follow::follow(&following, &sent, sending, ask, &mut screen).await?)
}

/// Shows who has handled a message.
///
/// # Errors
/// There is no such topic or partition, or [`Failure::Checked`]: not every group has handled it exactly once.
pub async fn look_up(place: &Place, output: Option<Document>) -> Result<()> {
    let (practice, _) = observed().await?;
    if let Some(note) = check_place(&practice, place)? {
        practice_cli::screen::print_note(&note);
    }
    let name = practice.metadata.name.unwrap_or_default();
    let following = Following {
        practice: &name,
        timeout: Duration::ZERO,
        pause: PAUSE,
        output,
    };
    let http = Http::default();
    let ask = async |sent: &SentMessages| ask_all(&http, &place.topic, sent).await.map_err(refused);
    let mut screen = Screen::new(false);
    Ok(follow::look_up(&following, place, ask, &mut screen).await?)
}

fn refused(error: anyhow::Error) -> Failure {
    Failure::Refused(format!("{error:#}"))
}

/// The running practice with its status, and its consumers.
async fn observed() -> Result<(ConsumerGroupPractice, Observed)> {
    match ask(&Request::Observe).await? {
        Answer::Observed(observed) => {
            let practice =
                ConsumerGroupPractice::deserialize(&observed.practice).context(OTHER_VERSION)?;
            Ok((practice, *observed))
        }
        Answer::Refused(why) => bail!(why),
        _ => bail!(OTHER_VERSION),
    }
}

/// Asks all consumers about messages of a topic.
async fn ask_all(http: &Http, topic: &str, sent: &SentMessages) -> Result<Asked> {
    let (practice, observed) = observed().await?;
    let groups = reading_groups(&practice, topic);
    let answers = observed
        .consumers
        .into_iter()
        .map(|consumer| ask_one(http, consumer, sent));
    let gone = observed.gone.into_iter().map(|ended| GoneConsumer {
        group: ended.group,
        consumer: ended.name,
        at: Some(ended.at),
        how: ended.how,
    });
    let round = HandledRound {
        answers: join_all(answers).await,
        gone: gone.collect(),
    };
    Ok(Asked { groups, round })
}

async fn ask_one(http: &Http, consumer: RunningConsumer, sent: &SentMessages) -> HandledAnswer {
    let answer = if consumer.is_paused {
        Err("is paused".to_owned())
    } else {
        let ask = async |query: &HandledQuery| {
            let answer = http.handled(&consumer.address, &query.text()).await;
            answer.map_err(|error| format!("does not answer: {error}"))
        };
        ask_consumer(sent, ask).await
    };
    HandledAnswer {
        group: consumer.group,
        consumer: consumer.name,
        answer,
    }
}
