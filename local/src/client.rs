//! Commands to a practice that runs. In: a command. Out: what it says, on standard output; why it did not, as an error.

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
    request::{Answer, Look, Request},
    screen,
};

/// Asks, and prints the answer.
///
/// # Errors
/// No practice runs, or it refuses.
pub async fn request(request: Request) -> Result<()> {
    let said = match ask(&request).await? {
        Answer::Message(said) => text(&[escaped(&said)]),
        // they come with colours for this terminal, and all else in them was escaped where they were made
        Answer::Lines(lines) => text(&lines),
        Answer::Producer { address, .. } => text(&[address.to_string()]),
        Answer::Plan(prediction) => return say(&prediction, None),
        Answer::Refused(why) => bail!(why),
    };
    print(&said)?;
    Ok(())
}

/// Lines as they are written.
fn text(lines: &[String]) -> String {
    lines
        .iter()
        .flat_map(|line| [line.as_str(), "\n"])
        .collect()
}

/// Prints what a manifest will do: to the practice that runs here; when none runs, from nothing.
///
/// # Errors
/// The manifest cannot be read, or would be refused.
pub async fn plan(manifest: &Path, kafka: Kind, format: Option<Format>) -> Result<()> {
    let file = manifest::read(manifest).map_err(|why| anyhow!(why))?;
    let prediction = if control::runs().await {
        match ask(&Request::Plan { file }).await? {
            Answer::Plan(prediction) => *prediction,
            Answer::Refused(why) => bail!(why),
            Answer::Message(_) | Answer::Lines(_) | Answer::Producer { .. } => {
                bail!(
                    "the practice answers something else: it is of another version than this command"
                )
            }
        }
    } else {
        practice::predict_from_nothing(&file, kafka)
    };
    say(&prediction, format)?;
    if !prediction.refused.is_empty() {
        bail!("{} would be refused", manifest.display());
    }
    Ok(())
}

fn say(prediction: &Prediction, format: Option<Format>) -> Result<()> {
    let said = match format {
        Some(Format::Json) => document::json(&serde_json::to_value(prediction)?),
        Some(Format::Yaml) => document::yaml(&serde_json::to_value(prediction)?),
        None => {
            let look = Look::here();
            let shape = Shape {
                width: look.width,
                with_namespace: false,
            };
            text(&screen::printed(
                practice_cli::plan::plan(prediction, shape),
                look,
            ))
        }
    };
    print(&said)?;
    Ok(())
}

/// Prints a log, from its file: also that of a practice that has ended.
///
/// # Errors
/// There is none of that name; the error names those that are there.
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
                "there are no logs in {}: go where `practice-local up` was started, or name it with -C DIR",
                here.display()
            );
        }
        bail!(
            "there is no log of `{name}`: there are {}",
            names.join(", ")
        );
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

/// Sends messages one after the other, each acknowledged; prints where the last one is.
///
/// # Errors
/// The producer refuses one; what was sent before it is said.
pub async fn send(message: Send) -> Result<()> {
    let (address, topics) = match ask(&Request::Producer).await? {
        Answer::Producer { address, topics } => (address.to_string(), topics),
        Answer::Refused(why) => bail!(why),
        Answer::Message(_) | Answer::Lines(_) | Answer::Plan(_) => {
            bail!("the practice answers something else")
        }
    };
    let topic = match (message.topic, topics.as_slice()) {
        (Some(topic), _) => topic,
        (None, [only]) => only.clone(),
        (None, several) => bail!(
            "which topic? write --topic with one of {}",
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
    let said = match message.count {
        1 => format!("sent to {topic}, partition {partition}, offset {offset}"),
        n => format!("{n} sent to {topic}, the last to partition {partition}, offset {offset}"),
    };
    print(&text(&[escaped(&said)]))?;
    Ok(())
}
