//! Live view in local mode. In: a practice. Out: facts for the view's hub, and the view's actions as the same requests as those
//! of commands. Deliberately absent: state of the view.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures::StreamExt;
use hyper::StatusCode;
use jiff::Timestamp;
use practice_operator::forecast::forecast;
use practice_view::{
    Action, Consumer, ConsumerState, Doing, Facts, GroupFacts, KafkaFacts, KafkaKind, Key, Means,
    Refusal, Scale,
};
use tokio::sync::mpsc;

use crate::{
    control::{Asked, ask_practice},
    embedded::rewrite::SESSION_TIMEOUT_SECONDS,
    fleet::{Child, Phase, Role},
    kafka::Kafka,
    log,
    practice::Practice,
    process::log_path,
    request::{Answer, Number, Request, Signal},
};

/// Facts about a practice for the hub; `None` until it has a status.
pub fn facts(practice: &Practice) -> Option<Facts> {
    let producer = practice
        .plan
        .producer
        .as_ref()
        .map(|_| format!("http://{}", practice.producer));
    let since = |at: Timestamp| at.as_millisecond();
    Some(Facts {
        key: practice.key(),
        now: since(Timestamp::now()),
        status: practice.status.clone()?,
        snapshot: practice.snapshot.clone(),
        journal: practice.journal(),
        kafka: KafkaFacts {
            kind: match practice.kafka {
                Kafka::Embedded { .. } => KafkaKind::Embedded,
                Kafka::Apache(_) => KafkaKind::Apache,
                Kafka::Given(_) => KafkaKind::External,
            },
            note: practice.kafka.note(),
            brokers: match &practice.kafka {
                Kafka::Apache(apache) => {
                    let each = apache.brokers.iter();
                    let id = |id: u32| i32::try_from(id).unwrap_or(i32::MAX);
                    each.map(|(number, broker)| (id(*number), broker.is_up(), since(broker.since)))
                        .collect()
                }
                Kafka::Embedded { .. } | Kafka::Given(_) => Vec::new(),
            },
        },
        groups: groups(practice),
        consumers: practice
            .fleet
            .children
            .iter()
            .filter_map(|(name, child)| consumer(name, child))
            .collect(),
        load: practice
            .plan
            .producer
            .as_ref()
            .and_then(|producer| producer.settings.load),
        send_url: producer
            .as_ref()
            .map(|producer| format!("{producer}/send-message")),
        send_how: None,
        producer,
    })
}

/// Facts about groups, as in the operator; protocol and assignor of the embedded broker are fixed.
fn groups(practice: &Practice) -> Vec<GroupFacts> {
    let mut groups = practice_operator::view::groups(&practice.plan);
    if matches!(practice.kafka, Kafka::Embedded { .. }) {
        let session = Duration::from_secs(SESSION_TIMEOUT_SECONDS.into());
        for group in &mut groups {
            group.session_timeout = Some(session);
        }
    }
    groups
}

fn consumer(name: &str, child: &Child) -> Option<Consumer> {
    let Role::Worker(settings) = &child.role else {
        return None;
    };
    let started = child.started.map(Timestamp::as_millisecond);
    Some(Consumer {
        name: name.to_owned(),
        group: child.group.clone(),
        pod: None,
        variant: Some(child.variant.clone()).filter(|variant| !variant.is_empty()),
        delay: settings.delay,
        state: match child.phase {
            Phase::Running | Phase::Ending { .. } => ConsumerState::Running,
            Phase::Paused => ConsumerState::Paused,
            Phase::Down { .. } => ConsumerState::Killed,
        },
        started,
        since: Some(child.since.as_millisecond()),
        url: child.pid().map(|_| format!("http://{}", child.address())),
    })
}

/// Connects the view: requests go to the loop of commands, logs are read from files.
pub fn view_backend(
    practice: mpsc::Sender<Asked>,
    stirred: mpsc::UnboundedSender<Key>,
    logs: PathBuf,
    hosts: Vec<String>,
) -> Means {
    Means {
        foresee: Arc::new({
            let practice = practice.clone();
            move |_, action| {
                let practice = practice.clone();
                Box::pin(async move {
                    let asked = Request::Predict(Box::new(request(action.clone())));
                    match ask_practice(&practice, asked).await {
                        Answer::Plan(prediction) => forecast(&prediction, &action),
                        answer => Err(answer_message(answer)
                            .err()
                            .unwrap_or_else(unexpected_answer)),
                    }
                })
            }
        }),
        doing: Doing::On(Arc::new(move |_, action| {
            let practice = practice.clone();
            Box::pin(async move { answer_message(ask_practice(&practice, request(action)).await) })
        })),
        logs: Arc::new(move |_, consumer, tail| {
            let path = log_path(&logs, &consumer);
            Box::pin(async move {
                let followed = log::follow(&path, tail);
                let none =
                    |error| Refusal::unknown(format!("cannot read the log of {consumer}: {error}"));
                followed.map(StreamExt::boxed).map_err(none)
            })
        }),
        request_poll: Arc::new(move |practice| {
            let _ = stirred.send(practice.clone()); // the program is ending
        }),
        hosts,
    }
}

fn request(action: Action) -> Request {
    let consumer = |name, what| Request::Consumer { name, what };
    let broker = |id: i32, start| Request::Broker {
        id: u32::try_from(id).unwrap_or_default(),
        start,
    };
    match action {
        Action::Scale {
            group,
            to: Scale::To(number),
        } => Request::Scale {
            group,
            to: Number::To(number),
        },
        Action::Scale {
            group,
            to: Scale::By(more),
        } => Request::Scale {
            group,
            to: Number::By(more),
        },
        Action::Stop { group } => Request::State {
            group,
            stopped: true,
        },
        Action::Start { group } => Request::State {
            group,
            stopped: false,
        },
        Action::Restart { consumer: name } => consumer(name, Signal::Restart),
        Action::Kill { consumer: name } => consumer(name, Signal::Kill),
        Action::Pause { consumer: name } => consumer(name, Signal::Pause),
        Action::Resume { consumer: name } => consumer(name, Signal::Resume),
        Action::Load {
            messages_per_second,
            value_bytes,
        } => Request::Load {
            messages_per_second,
            value_bytes,
        },
        Action::StopBroker { id } => broker(id, false),
        Action::StartBroker { id } => broker(id, true),
    }
}

fn answer_message(answer: Answer) -> Result<String, Refusal> {
    match answer {
        Answer::Message(message) => Ok(message),
        Answer::Refused(why) => Err(Refusal::new(StatusCode::CONFLICT, why)),
        _ => Err(unexpected_answer()),
    }
}

fn unexpected_answer() -> Refusal {
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "unexpected answer of the practice",
    )
}
