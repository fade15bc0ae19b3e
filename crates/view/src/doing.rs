//! Requests for actions, checked. In: a path and a JSON body. Out: an [`Action`] for the mounting program, and its answer;
//! or a refusal that names the field, its value and the fix.

use std::collections::BTreeSet;

use axum::{
    Json,
    body::Bytes,
    extract::{
        Path, Query, State,
        rejection::{BytesRejection, QueryRejection},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    action::{Act, Action, Doing, Forecast, Refusal, Scale},
    facts::Key,
    guard::cut,
    hub::Hub,
    router::no_practice,
    send::{self, MOST, Messages},
};

type Read = Result<Bytes, BytesRejection>;

/// Most messages per second of a steady load.
const MOST_PER_SECOND: u32 = 10_000;
/// Largest value of a steady load's messages, in bytes.
const LARGEST_VALUE: u32 = 100_000;
/// Most consumers of one variant of a group.
const MOST_REPLICAS: i32 = 100;

pub(crate) async fn send(
    State(hub): State<Hub>,
    Path(key): Path<Key>,
    body: Read,
) -> Result<Response, Refusal> {
    allowed(&hub, &key)?;
    let messages: Messages = read(body)?;
    in_range("count", messages.count, 1, MOST)?;
    let (status, answer) = send::send(&hub, &key, &messages).await?;
    Ok((status, Json(answer)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Load {
    messages_per_second: u32,
    value_bytes: Option<u32>,
}

pub(crate) async fn load(
    State(hub): State<Hub>,
    Path(key): Path<Key>,
    body: Read,
) -> Result<Response, Refusal> {
    let act = allowed(&hub, &key)?;
    let Load {
        messages_per_second,
        value_bytes,
    } = read(body)?;
    in_range("messagesPerSecond", messages_per_second, 0, MOST_PER_SECOND)?;
    if let Some(bytes) = value_bytes {
        in_range("valueBytes", bytes, 1, LARGEST_VALUE)?;
    }
    producer(&hub, &key)?;
    done(
        &hub,
        act,
        key,
        Action::Load {
            messages_per_second,
            value_bytes,
        },
    )
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replicas {
    replicas: Option<i32>,
    by: Option<i32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

pub(crate) async fn group(
    State(hub): State<Hub>,
    Path((namespace, name, group, verb)): Path<(String, String, String, String)>,
    body: Read,
) -> Result<Response, Refusal> {
    let key = (namespace, name);
    let act = allowed(&hub, &key)?;
    known_group(&hub, &key, &group)?;
    let action = match verb.as_str() {
        "scale" => Action::Scale {
            to: scale(read(body)?)?,
            group,
        },
        "stop" => with_nothing(body, Action::Stop { group })?,
        "start" => with_nothing(body, Action::Start { group })?,
        _ => return Err(no_verb(&verb, "a group", "scale, stop, start")),
    };
    if matches!(action, Action::Scale { .. }) {
        scalable(&hub, &key, &action)?;
    }
    done(&hub, act, key, action).await
}

/// The query of a forecast: `?replicas=4`, `?by=-1` or `?state=Stopped`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    replicas: Option<i32>,
    by: Option<i32>,
    state: Option<String>,
}

pub(crate) async fn plan(
    State(hub): State<Hub>,
    Path((namespace, name, group)): Path<(String, String, String)>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Forecast>, Refusal> {
    let key = (namespace, name);
    known_group(&hub, &key, &group)?;
    let Query(asked) = asked.map_err(|rejection| illegal(rejection.body_text()))?;
    let Asked {
        replicas,
        by,
        state,
    } = asked;
    let action = match state.as_deref() {
        Some(_) if replicas.is_some() || by.is_some() => {
            return Err(illegal(
                "`state` cannot be combined with `replicas` or `by`: write one of them".to_owned(),
            ));
        }
        None if replicas.is_none() && by.is_none() => {
            return Err(illegal(
                "the query is empty: write `?replicas=3`, `?by=1` or `?state=Stopped`".to_owned(),
            ));
        }
        None => Action::Scale {
            group,
            to: scale(Replicas { replicas, by })?,
        },
        Some("Stopped") => Action::Stop { group },
        Some("Running") => Action::Start { group },
        Some(other) => {
            return Err(illegal(format!(
                "`state` is {}: write Stopped or Running",
                cut(other)
            )));
        }
    };
    scalable(&hub, &key, &action)?;
    (hub.means().foresee)(key, action).await.map(Json)
}

fn scale(wanted: Replicas) -> Result<Scale, Refusal> {
    match (wanted.replicas, wanted.by) {
        (Some(replicas), None) => {
            in_range("replicas", replicas, 0, MOST_REPLICAS).map(|()| Scale::To(replicas))
        }
        (None, Some(0)) => Err(illegal(
            "`by` is 0: write how many more, or fewer with a minus".to_owned(),
        )),
        (None, Some(by)) => {
            in_range("by", by, -MOST_REPLICAS, MOST_REPLICAS).map(|()| Scale::By(by))
        }
        (None, None) => Err(illegal(
            "`replicas` is missing: write {\"replicas\": 3} or {\"by\": 1}".to_owned(),
        )),
        (Some(_), Some(_)) => Err(illegal(
            "`replicas` and `by` are both set: write one of them".to_owned(),
        )),
    }
}

fn scalable(hub: &Hub, key: &Key, action: &Action) -> Result<(), Refusal> {
    let Action::Scale { group, .. } = action else {
        return Ok(());
    };
    let named = hub.read(key, |practice| {
        practice
            .picture
            .groups
            .iter()
            .find(|named| named.name == *group)
            .cloned()
    });
    let conflict = |why: &str| {
        Err(Refusal::new(
            StatusCode::CONFLICT,
            format!("group `{}` {why}", cut(group)),
        ))
    };
    match named.flatten() {
        Some(group) if group.stopped => conflict("is stopped: start it first"),
        Some(group) if !group.scalable => {
            conflict("is scaled by another controller: its manifest has no replicas")
        }
        _ => Ok(()),
    }
}

pub(crate) async fn consumer(
    State(hub): State<Hub>,
    Path((namespace, name, consumer, verb)): Path<(String, String, String, String)>,
    body: Read,
) -> Result<Response, Refusal> {
    let key = (namespace, name);
    let act = allowed(&hub, &key)?;
    known_consumer(&hub, &key, &consumer)?;
    let action = match verb.as_str() {
        "restart" => Action::Restart { consumer },
        "kill" => Action::Kill { consumer },
        "pause" => Action::Pause { consumer },
        "resume" => Action::Resume { consumer },
        _ => return Err(no_verb(&verb, "a consumer", "restart, kill, pause, resume")),
    };
    done(&hub, act, key, with_nothing(body, action)?).await
}

pub(crate) async fn broker(
    State(hub): State<Hub>,
    Path((namespace, name, id, verb)): Path<(String, String, String, String)>,
    body: Read,
) -> Result<Response, Refusal> {
    let key = (namespace, name);
    let act = allowed(&hub, &key)?;
    let brokers = hub.read(&key, |practice| {
        practice
            .picture
            .kafka
            .brokers
            .iter()
            .map(|broker| broker.id.to_string())
            .collect::<Vec<_>>()
    });
    let (Ok(number), true) = (
        id.parse(),
        brokers.iter().flatten().any(|known| *known == id),
    ) else {
        let known = brokers.unwrap_or_default().join(", ");
        return Err(Refusal::unknown(format!(
            "no broker `{}`: use one of {known}",
            cut(&id)
        )));
    };
    let action = match verb.as_str() {
        "stop" => Action::StopBroker { id: number },
        "start" => Action::StartBroker { id: number },
        _ => return Err(no_verb(&verb, "a broker", "stop, start")),
    };
    done(&hub, act, key, with_nothing(body, action)?).await
}

async fn done(hub: &Hub, act: Act, key: Key, action: Action) -> Result<Response, Refusal> {
    let message = act(key.clone(), action).await?;
    (hub.means().request_poll)(&key);
    Ok(Json(json!({"message": message})).into_response())
}

/// The function that runs actions; a refusal where the practice is unknown or actions are off.
fn allowed(hub: &Hub, key: &Key) -> Result<Act, Refusal> {
    if hub.read(key, |_| ()).is_none() {
        return Err(no_practice(key));
    }
    match &hub.means().doing {
        Doing::On(act) => Ok(act.clone()),
        Doing::Off { how } => Err(Refusal {
            status: StatusCode::FORBIDDEN,
            message: "actions are off on this page".to_owned(),
            how: Some(how.clone()),
        }),
    }
}

/// Base URL of the practice's producer.
pub(crate) fn producer(hub: &Hub, key: &Key) -> Result<String, Refusal> {
    let producer = hub
        .read(key, |practice| practice.producer().map(str::to_owned))
        .flatten();
    producer.ok_or_else(|| {
        Refusal::unknown("this practice has no producer: set spec.producer.enabled to true")
    })
}

fn known_group(hub: &Hub, key: &Key, group: &str) -> Result<(), Refusal> {
    let groups = hub.read(key, |practice| {
        practice
            .picture
            .groups
            .iter()
            .map(|group| group.name.clone())
            .collect::<BTreeSet<_>>()
    });
    among(
        "group",
        group,
        groups
            .ok_or_else(|| no_practice(key))?
            .iter()
            .map(String::as_str),
    )
}

/// Refuses a consumer that the practice did not start, such as a member of another application.
pub(crate) fn known_consumer(hub: &Hub, key: &Key, consumer: &str) -> Result<(), Refusal> {
    hub.read(key, |practice| {
        among("consumer", consumer, practice.consumers())
    })
    .unwrap_or_else(|| Err(no_practice(key)))
}

fn among<'a>(
    what: &str,
    value: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Result<(), Refusal> {
    let known: Vec<&str> = known.into_iter().collect();
    if known.contains(&value) {
        return Ok(());
    }
    let some = if known.is_empty() {
        "none".to_owned()
    } else {
        known[..known.len().min(20)].join(", ")
    };
    Err(Refusal::unknown(format!(
        "this practice has no {what} `{}`; it has {some}",
        cut(value)
    )))
}

fn no_verb(verb: &str, what: &str, verbs: &str) -> Refusal {
    Refusal::unknown(format!(
        "no action `{}` for {what}: use one of {verbs}",
        cut(verb)
    ))
}

fn with_nothing(body: Read, action: Action) -> Result<Action, Refusal> {
    match &body {
        Ok(bytes) if bytes.trim_ascii().is_empty() => Ok(action),
        _ => read::<Nothing>(body).map(|_| action),
    }
}

fn read<T: DeserializeOwned>(body: Read) -> Result<T, Refusal> {
    let body = body.map_err(|rejection| {
        Refusal::new(rejection.status(), "the body is too large or incomplete")
    })?;
    serde_json::from_slice(&body).map_err(|error| illegal(format!("invalid body: {error}")))
}

fn in_range<T: PartialOrd + std::fmt::Display>(
    field: &str,
    value: T,
    least: T,
    most: T,
) -> Result<(), Refusal> {
    if value >= least && value <= most {
        return Ok(());
    }
    Err(illegal(format!(
        "`{field}` is {value}: write a number from {least} to {most}"
    )))
}

fn illegal(message: String) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message)
}
