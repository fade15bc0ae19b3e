//! Client of a running practice. In: a command. Out: the answer on standard output, or an error.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use futures::StreamExt;
use practice_cli::{args::Format, document, plan::Shape, text::escaped};
use practice_operator::worker_client::Http;
use practice_plan::predict::Prediction;
use serde_json::{Value, json};

use crate::{
    args::{Kind, Send},
    control::{self, DIR, ask},
    log::{self, Reading},
    manifest,
    output::{print, shown},
    practice,
    process::log_path,
    request::{Answer, Request, ScreenShape},
    screen,
};

/// An answer of another kind than was asked for.
pub(crate) const OTHER_VERSION: &str =
    "unexpected answer: the running practice is of another version than this command";

/// Sends a request to the practice and prints the answer.
///
/// # Errors
/// No practice runs here, or it refuses the request.
pub async fn request(request: Request) -> Result<()> {
    let output = match ask(&request).await? {
        Answer::Message(message) => text(&[escaped(&message)]),
        // already escaped by `screen`, with colours for this terminal
        Answer::Lines(lines) => text(&lines),
        Answer::Producer { address, .. } => text(&[address.to_string()]),
        Answer::Plan(prediction) => return print_prediction(&prediction, None),
        Answer::Refused(why) => bail!(why),
        Answer::Observed(_) => bail!(OTHER_VERSION),
    };
    print(&output)?;
    Ok(())
}

/// Joins lines with line feeds.
fn text(lines: &[String]) -> String {
    lines
        .iter()
        .flat_map(|line| [line.as_str(), "\n"])
        .collect()
}

/// Predicts the changes of a manifest to the running practice, or as a new practice.
///
/// # Errors
/// The manifest cannot be read, or would be refused.
pub async fn plan(manifest: &Path, kafka: Kind, format: Option<Format>) -> Result<()> {
    let file = manifest::read(manifest).map_err(|why| anyhow!(why))?;
    let prediction = if control::runs().await {
        match ask(&Request::Plan { file }).await? {
            Answer::Plan(prediction) => *prediction,
            Answer::Refused(why) => bail!(why),
            _ => bail!(OTHER_VERSION),
        }
    } else {
        practice::predict_from_nothing(&file, kafka)
    };
    print_prediction(&prediction, format)?;
    if !prediction.refused.is_empty() {
        bail!("{} would be refused", manifest.display());
    }
    Ok(())
}

fn print_prediction(prediction: &Prediction, format: Option<Format>) -> Result<()> {
    let output = match format {
        Some(Format::Json) => document::json(&serde_json::to_value(prediction)?),
        Some(Format::Yaml) => document::yaml(&serde_json::to_value(prediction)?),
        None => {
            let screen_shape = ScreenShape::of_stdout();
            let shape = Shape {
                width: screen_shape.width,
                with_namespace: false,
            };
            text(&screen::printed(
                practice_cli::plan::plan(prediction, shape),
                screen_shape,
            ))
        }
    };
    print(&output)?;
    Ok(())
}

/// Prints a log from its file, also after the practice has ended.
///
/// # Errors
/// No log has this name; the error lists the existing ones.
pub async fn logs(name: &str, tail: usize, follow: bool) -> Result<()> {
    let logs = Path::new(DIR).join("logs");
    let path = log_path(&logs, name);
    if name.contains('/') || !path.is_file() {
        let names = std::fs::read_dir(&logs).into_iter().flatten().flatten();
        let names = names.filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_suffix(".log")
                .map(str::to_owned)
        });
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        if names.is_empty() {
            let here = std::env::current_dir().unwrap_or_default();
            bail!(
                "no logs in {}: run this where `practice-local up` was started, or name that directory with -C DIR",
                here.display()
            );
        }
        bail!("no log of `{name}`: logs exist of {}", names.join(", "));
    }
    if !follow {
        let (lines, _) = Reading::begin(&path, tail)?;
        let lines: Vec<String> = lines.iter().map(|line| shown(line)).collect();
        print(&text(&lines))?;
        return Ok(());
    }
    let mut lines = std::pin::pin!(log::follow(&path, tail)?);
    while let Some(line) = lines.next().await {
        if !print(&text(&[shown(&line)]))? {
            break;
        }
    }
    Ok(())
}

/// Sends messages, each after the acknowledgement of the one before; prints partition and offset of the last.
///
/// # Errors
/// The producer refuses a message; the error counts those that were sent.
pub async fn send(message: Send) -> Result<()> {
    let (address, topics) = match ask(&Request::Producer).await? {
        Answer::Producer { address, topics } => (address.to_string(), topics),
        Answer::Refused(why) => bail!(why),
        _ => bail!(OTHER_VERSION),
    };
    let topic = match (message.topic, topics.as_slice()) {
        (Some(topic), _) => topic,
        (None, [only]) => only.clone(),
        (None, several) => bail!(
            "the practice has several topics: name one with --topic: {}",
            several.join(", ")
        ),
    };
    let mut body = json!({"topic": topic, "value": message.value});
    if let Some(key) = message.key {
        body["key"] = json!(key);
    }
    if let Some(partition) = message.partition {
        body["partition"] = json!(partition);
    }
    let http = Http::default();
    let mut last = Value::Null;
    for sent in 0..message.count {
        let (code, answer) = http
            .send(&address, &body)
            .await
            .context("the producer does not answer")?;
        if !code.is_success() {
            let why = answer["message"]
                .as_str()
                .unwrap_or("no reason given")
                .to_owned();
            bail!("{sent} of {} sent, then {code}: {why}", message.count);
        }
        last = answer;
    }
    let (partition, offset) = (&last["partition"], &last["offset"]);
    let summary = match message.count {
        1 => format!("sent to {topic}, partition {partition}, offset {offset}"),
        n => format!("{n} sent to {topic}, the last to partition {partition}, offset {offset}"),
    };
    print(&text(&[escaped(&summary)]))?;
    Ok(())
}
