//! Client of a running practice. In: a command. Out: the answer on standard output, or an error.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use futures::StreamExt;
use practice_cli::{args::Format, document, plan::Shape, text::escaped};
use practice_plan::predict::Prediction;

use crate::{
    args::Kind,
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
pub(crate) fn text(lines: &[String]) -> String {
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
