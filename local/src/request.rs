//! Requests to a running practice, from a command or from the live view. In: a request. Out: a sentence about its effect, or
//! a refusal that names the wrong value and the valid ones.

use std::{net::SocketAddr, path::PathBuf};

use practice_plan::{plan::GroupPlan, predict::Prediction};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    fleet::{EndedConsumer, Phase, Role},
    kafka::Kafka,
    practice::Practice,
};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// Tree of the practice, as lines.
    Status(ScreenShape),
    /// Rebalances and their causes, as lines.
    Journal {
        /// One group; `None` means all.
        group: Option<String>,
        /// Number of newest rebalances.
        last: usize,
        /// Terminal of the client.
        screen: ScreenShape,
    },
    /// Prediction for a manifest.
    Plan {
        /// Content of the manifest.
        file: Value,
    },
    /// Prediction for a request about a group.
    Predict(Box<Request>),
    /// Address of the producer.
    Producer,
    /// What a lesson is checked against, and who may have handled a message.
    Observe,
    /// Set the number of consumers.
    Scale {
        /// Group, or `group/variant`.
        group: String,
        /// Number of consumers.
        to: Number,
    },
    /// Stop or start a group.
    State {
        /// Name of the group.
        group: String,
        /// Whether to stop it.
        stopped: bool,
    },
    /// Signal to a consumer.
    Consumer {
        /// Name of the consumer.
        name: String,
        /// Signal to send.
        what: Signal,
    },
    /// Load of the producer.
    Load {
        /// Messages per second, 0 to 10000.
        messages_per_second: u32,
        /// Bytes of each value.
        value_bytes: Option<u32>,
    },
    /// Stop or start a broker.
    Broker {
        /// Id of the broker.
        id: u32,
        /// Whether to start it.
        start: bool,
    },
}

/// Terminal of the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScreenShape {
    /// Whether it supports colours.
    pub colours: bool,
    /// Width in columns; `None` means no limit.
    pub width: Option<usize>,
}

impl ScreenShape {
    /// Terminal of standard output.
    pub fn of_stdout() -> Self {
        let screen = practice_cli::screen::Screen::new(false);
        Self {
            colours: screen.is_live(),
            width: screen.width(),
        }
    }
}

/// New number of consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Number {
    /// Absolute number.
    To(i32),
    /// Difference to the current number.
    By(i32),
}

/// Signal to a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Signal {
    /// SIGTERM, then restart.
    Restart,
    /// SIGKILL, then restart after the delay.
    Kill,
    /// SIGSTOP.
    Pause,
    /// SIGCONT.
    Resume,
}

/// Answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// Effect of the request.
    Message(String),
    /// Escaped lines, with colours.
    Lines(Vec<String>),
    /// Address of the producer, and its topics.
    Producer {
        /// Listen address.
        address: SocketAddr,
        /// Topics of the practice.
        topics: Vec<String>,
    },
    /// Prediction for a manifest.
    Plan(Box<Prediction>),
    /// What a lesson is checked against.
    Observed(Box<Observed>),
    /// Reason of a refusal.
    Refused(String),
}

/// The running practice, as lessons and followed messages see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// Path of the manifest.
    pub manifest: PathBuf,
    /// The practice with changes by commands, and its status: a `ConsumerGroupPractice`.
    pub practice: Value,
    /// Whether the Kafka is the embedded broker.
    pub is_embedded: bool,
    /// Consumers whose process runs.
    pub consumers: Vec<RunningConsumer>,
    /// The ends of others.
    pub gone: Vec<EndedConsumer>,
    /// Address of the producer; `None`: the practice has none.
    pub producer: Option<String>,
}

/// A consumer whose process runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningConsumer {
    /// Its group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// Address of its HTTP server.
    pub address: String,
    /// It does not answer: SIGSTOP.
    pub is_paused: bool,
}

/// Executes a request.
pub fn answer(practice: &mut Practice, request: Request) -> Answer {
    execute(practice, request).unwrap_or_else(Answer::Refused)
}

fn execute(practice: &mut Practice, request: Request) -> Result<Answer, String> {
    let message = match request {
        Request::Status(screen) => {
            return Ok(Answer::Lines(crate::screen::report(practice, screen)));
        }
        Request::Journal {
            group,
            last,
            screen,
        } => {
            if let Some(group) = &group {
                find(practice, group)?;
            }
            return Ok(Answer::Lines(crate::screen::journal(
                practice,
                group.as_deref(),
                last,
                screen,
            )));
        }
        Request::Plan { file } => return Ok(Answer::Plan(Box::new(practice.predict(&file)))),
        Request::Predict(request) => {
            return Ok(Answer::Plan(Box::new(predict_request(practice, *request)?)));
        }
        Request::Producer => return producer(practice),
        Request::Observe => return observe(practice).map(|seen| Answer::Observed(Box::new(seen))),
        Request::Scale { group, to } => scale(practice, &group, to)?,
        Request::State { group, stopped } => {
            let found = find(practice, &group)?;
            if found.stopped == stopped {
                return Err(format!(
                    "{group} is {} already",
                    if stopped { "stopped" } else { "started" }
                ));
            }
            change_message(practice.change(|overlay| overlay.stop(&group, stopped)))?
        }
        Request::Consumer { name, what } => consumer(practice, &name, what)?,
        Request::Load {
            messages_per_second,
            value_bytes,
        } => {
            if practice.plan.producer.is_none() {
                return Err(
                    "the practice has no producer: set spec.producer.enabled to true".to_owned(),
                );
            }
            change_message(
                practice.change(|overlay| overlay.load = Some((messages_per_second, value_bytes))),
            )?
        }
        Request::Broker { id, start } => match &mut practice.kafka {
            Kafka::Apache(apache) if start => apache.start_broker(id)?,
            Kafka::Apache(apache) => apache.stop_broker(id)?,
            Kafka::Embedded { .. } => {
                return Err(
                    "the embedded broker cannot be stopped: use --kafka apache --brokers 3"
                        .to_owned(),
                );
            }
            Kafka::Given(bootstrap) => {
                return Err(format!(
                    "cannot stop or start brokers of {bootstrap}: practice-local did not start them"
                ));
            }
        },
    };
    Ok(Answer::Message(message))
}

fn producer(practice: &Practice) -> Result<Answer, String> {
    if practice.plan.producer.is_none() {
        return Err("the practice has no producer: set spec.producer.enabled to true".to_owned());
    }
    let topics = practice
        .plan
        .topics
        .iter()
        .map(|topic| topic.name.clone())
        .collect();
    Ok(Answer::Producer {
        address: practice.producer,
        topics,
    })
}

fn observe(practice: &Practice) -> Result<Observed, String> {
    let mut resource = practice.practice.clone();
    resource.status.clone_from(&practice.status);
    let children = practice.fleet.children.iter();
    let running = children
        .filter(|(_, child)| matches!(child.role, Role::Worker(_)) && child.pid().is_some());
    let running = running.map(|(name, child)| RunningConsumer {
        group: child.group.clone(),
        name: name.clone(),
        address: child.address(),
        is_paused: child.phase == Phase::Paused,
    });
    let producer = practice.plan.producer.as_ref();
    Ok(Observed {
        manifest: practice.manifest.clone(),
        practice: serde_json::to_value(resource).map_err(|error| error.to_string())?,
        is_embedded: matches!(practice.kafka, Kafka::Embedded { .. }),
        consumers: running.collect(),
        gone: practice.fleet.gone().cloned().collect(),
        producer: producer.map(|_| practice.producer.to_string()),
    })
}

fn scale(practice: &mut Practice, group: &str, to: Number) -> Result<String, String> {
    let (name, variant, now, wanted) = scale_target(practice, group, to)?;
    if wanted == now {
        return Ok(format!("{group} has {now} consumers already"));
    }
    change_message(practice.change(|overlay| overlay.scale(name, variant, wanted)))
}

/// Group, variant, current and new number of consumers.
fn scale_target<'a>(
    practice: &Practice,
    group: &'a str,
    to: Number,
) -> Result<(&'a str, &'a str, i32, i32), String> {
    let (name, variant) = group.split_once('/').unwrap_or((group, ""));
    let found = find(practice, name)?;
    let Some(row) = found.rows.iter().find(|row| row.variant == variant) else {
        let variants: Vec<&str> = found
            .rows
            .iter()
            .map(|row| row.variant.as_str())
            .filter(|variant| !variant.is_empty())
            .collect();
        let there = if variants.is_empty() {
            "none".to_owned()
        } else {
            variants.join(", ")
        };
        return Err(format!(
            "{name} has no variant `{variant}`: variants are {there}"
        ));
    };
    let now = row.replicas.unwrap_or(1);
    let wanted = match to {
        Number::To(number) => number,
        Number::By(more) => now.saturating_add(more).max(0),
    };
    Ok((name, variant, now, wanted))
}

fn predict_request(practice: &Practice, request: Request) -> Result<Prediction, String> {
    match request {
        Request::Scale { group, to } => {
            let (name, variant, _, wanted) = scale_target(practice, &group, to)?;
            Ok(practice.predict_overlay(|overlay| overlay.scale(name, variant, wanted)))
        }
        Request::State { group, stopped } => {
            find(practice, &group)?;
            Ok(practice.predict_overlay(|overlay| overlay.stop(&group, stopped)))
        }
        _ => Err("no preview is available for this action".to_owned()),
    }
}

fn consumer(practice: &mut Practice, name: &str, what: Signal) -> Result<String, String> {
    let child = practice.fleet.find(name)?;
    let group = practice
        .plan
        .groups
        .iter()
        .find(|group| group.id == child.group);
    let detection = group.map(|group| practice.kafka.crash_detection_time(group));
    let fleet = &mut practice.fleet;
    let message = match what {
        Signal::Restart => fleet.restart(name),
        Signal::Resume => fleet.resume(name),
        Signal::Kill => fleet.kill(name),
        Signal::Pause => fleet.pause(name),
    }?;
    match (what, detection) {
        (Signal::Kill | Signal::Pause, Some(after)) => {
            Ok(format!("{message}; its group detects it after {after}"))
        }
        _ => Ok(message),
    }
}

fn find<'a>(practice: &'a Practice, group: &str) -> Result<&'a GroupPlan, String> {
    let groups = &practice.plan.groups;
    groups
        .iter()
        .find(|found| found.id == group)
        .ok_or_else(|| {
            let names: Vec<&str> = groups.iter().map(|group| group.id.as_str()).collect();
            format!("no group `{group}`: groups are {}", names.join(", "))
        })
}

fn change_message(result: Result<Vec<String>, Vec<String>>) -> Result<String, String> {
    match result {
        Ok(changes) if changes.is_empty() => Ok("nothing changes".to_owned()),
        Ok(changes) => Ok(changes.join("; ")),
        Err(faults) => Err(faults.join("; ")),
    }
}
