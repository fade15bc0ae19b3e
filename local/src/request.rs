//! What can be asked of a practice while it runs, by a command or from the picture. In: a request. Out: a sentence that says
//! what happens now, or why nothing does: it names what was asked for, and what there is.

use std::net::SocketAddr;

use practice_plan::{plan::GroupPlan, predict::Prediction};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{kafka::Kafka, practice::Practice};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// Who reads what, as lines.
    Status(Look),
    /// Which rebalances there were, as lines.
    Journal {
        /// Of one group.
        group: Option<String>,
        /// So many at most.
        last: usize,
        /// Where it is shown.
        look: Look,
    },
    /// What a manifest will do.
    Plan {
        /// What its file says.
        file: Value,
    },
    /// What such a request would do to a group.
    Foresee(Box<Request>),
    /// Where messages go.
    Producer,
    /// Another number of consumers.
    Scale {
        /// The group, or `group/variant`.
        group: String,
        /// How many.
        to: Number,
    },
    /// No consumers, or as many as before.
    State {
        /// The group.
        group: String,
        /// Whether it is stopped.
        stopped: bool,
    },
    /// Something is done to a consumer.
    Consumer {
        /// Its name.
        name: String,
        /// What.
        what: Signal,
    },
    /// A steady stream of messages.
    Load {
        /// 0 to 10000.
        messages_per_second: u32,
        /// Of each.
        value_bytes: Option<u32>,
    },
    /// A broker stops or starts.
    Broker {
        /// Its number.
        id: u32,
        /// Whether it starts.
        start: bool,
    },
}

/// What the terminal of whoever asks is like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// Whether it has colours.
    pub colours: bool,
    /// Its columns; `None`: lines may be as long as they like.
    pub width: Option<usize>,
}

impl Look {
    /// Of standard output.
    pub fn here() -> Self {
        let screen = practice_cli::screen::Screen::new(false);
        Self {
            colours: screen.is_live(),
            width: screen.width(),
        }
    }
}

/// How many consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Number {
    /// So many.
    To(i32),
    /// So many more, or fewer.
    By(i32),
}

/// What is done to a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Signal {
    /// SIGTERM; it comes back.
    Restart,
    /// SIGKILL; it comes back.
    Kill,
    /// SIGSTOP.
    Pause,
    /// SIGCONT.
    Resume,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// What happens now.
    Message(String),
    /// Lines.
    Lines(Vec<String>),
    /// Where the producer listens, and the topics that it takes.
    Producer {
        /// Its address.
        address: SocketAddr,
        /// The practice's topics.
        topics: Vec<String>,
    },
    /// What a manifest will do.
    Plan(Box<Prediction>),
    /// Why nothing happens.
    Refused(String),
}

/// Does what is asked for.
pub fn answer(practice: &mut Practice, request: Request) -> Answer {
    done(practice, request).unwrap_or_else(Answer::Refused)
}

fn done(practice: &mut Practice, request: Request) -> Result<Answer, String> {
    let message = match request {
        Request::Status(look) => return Ok(Answer::Lines(crate::screen::report(practice, look))),
        Request::Journal { group, last, look } => {
            if let Some(group) = &group {
                find(practice, group)?;
            }
            return Ok(Answer::Lines(crate::screen::journal(
                practice,
                group.as_deref(),
                last,
                look,
            )));
        }
        Request::Plan { file } => return Ok(Answer::Plan(Box::new(practice.predict(&file)))),
        Request::Foresee(request) => {
            return Ok(Answer::Plan(Box::new(foresee(practice, *request)?)));
        }
        Request::Producer => return producer(practice),
        Request::Scale { group, to } => scale(practice, &group, to)?,
        Request::State { group, stopped } => {
            let found = find(practice, &group)?;
            if found.stopped == stopped {
                return Err(format!(
                    "{group} is {} already",
                    if stopped { "stopped" } else { "started" }
                ));
            }
            changed(practice.change(|overlay| overlay.stop(&group, stopped)))?
        }
        Request::Consumer { name, what } => consumer(practice, &name, what)?,
        Request::Load {
            messages_per_second,
            value_bytes,
        } => {
            if practice.plan.producer.is_none() {
                return Err(
                    "spec.producer.enabled is false: there is no producer to send a stream"
                        .to_owned(),
                );
            }
            changed(
                practice.change(|overlay| overlay.load = Some((messages_per_second, value_bytes))),
            )?
        }
        Request::Broker { id, start } => {
            match &mut practice.kafka {
                Kafka::Apache(apache) if start => apache.start_broker(id)?,
                Kafka::Apache(apache) => apache.stop_broker(id)?,
                Kafka::Embedded { .. } => {
                    return Err("brokers in memory cannot be stopped: this needs --kafka apache --brokers 3".to_owned());
                }
                Kafka::Given(bootstrap) => {
                    return Err(format!(
                        "{bootstrap} was not started from here: its brokers are left alone"
                    ));
                }
            }
        }
    };
    Ok(Answer::Message(message))
}

fn producer(practice: &Practice) -> Result<Answer, String> {
    if practice.plan.producer.is_none() {
        return Err("spec.producer.enabled is false: there is no producer to send with".to_owned());
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

fn scale(practice: &mut Practice, group: &str, to: Number) -> Result<String, String> {
    let (name, variant, now, wanted) = wanted(practice, group, to)?;
    if wanted == now {
        return Ok(format!("{group} has {now} consumers already"));
    }
    changed(practice.change(|overlay| overlay.scale(name, variant, wanted)))
}

/// Group and variant, how many consumers it has, and how many it shall have.
fn wanted<'a>(
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
            "{name} has no variant `{variant}`: there is {there}"
        ));
    };
    let now = row.replicas.unwrap_or(1);
    let wanted = match to {
        Number::To(number) => number,
        Number::By(more) => now.saturating_add(more).max(0),
    };
    Ok((name, variant, now, wanted))
}

fn foresee(practice: &Practice, request: Request) -> Result<Prediction, String> {
    match request {
        Request::Scale { group, to } => {
            let (name, variant, _, wanted) = wanted(practice, &group, to)?;
            Ok(practice.foresee(|overlay| overlay.scale(name, variant, wanted)))
        }
        Request::State { group, stopped } => {
            find(practice, &group)?;
            Ok(practice.foresee(|overlay| overlay.stop(&group, stopped)))
        }
        _ => Err("of that nothing is said before it is done".to_owned()),
    }
}

fn consumer(practice: &mut Practice, name: &str, what: Signal) -> Result<String, String> {
    let child = practice.fleet.find(name)?;
    let group = practice
        .plan
        .groups
        .iter()
        .find(|group| group.id == child.group);
    let notices = group.map(|group| practice.kafka.notices_after(group));
    let fleet = &mut practice.fleet;
    let said = match what {
        Signal::Restart => fleet.restart(name),
        Signal::Resume => fleet.resume(name),
        Signal::Kill => fleet.kill(name),
        Signal::Pause => fleet.pause(name),
    }?;
    match (what, notices) {
        (Signal::Kill | Signal::Pause, Some(after)) => {
            Ok(format!("{said}; its group notices after {after}"))
        }
        _ => Ok(said),
    }
}

fn find<'a>(practice: &'a Practice, group: &str) -> Result<&'a GroupPlan, String> {
    let groups = &practice.plan.groups;
    groups
        .iter()
        .find(|found| found.id == group)
        .ok_or_else(|| {
            let names: Vec<&str> = groups.iter().map(|group| group.id.as_str()).collect();
            format!(
                "there is no group `{group}`: there are {}",
                names.join(", ")
            )
        })
}

fn changed(done: Result<Vec<String>, Vec<String>>) -> Result<String, String> {
    match done {
        Ok(said) if said.is_empty() => Ok("nothing changes".to_owned()),
        Ok(said) => Ok(said.join("; ")),
        Err(faults) => Err(faults.join("; ")),
    }
}
