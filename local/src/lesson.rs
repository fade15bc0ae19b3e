//! `lesson`: a learner works through steps while a practice runs here. In: a lesson, what the running practice and its consumers report,
//! lines that the learner types. Out: lines. Starts the practice of the lesson, unless it runs already.

mod observe;
mod running;

use std::{fs::OpenOptions, io::Write, path::Path, time::Duration};

use anyhow::{Context, Result, anyhow};
use practice_cli::{
    lesson::{Learner, Place, Session, Show, find, list},
    text::Line,
};
use practice_lessons::{Lesson, Observation, lessons};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use self::running::Running;
use crate::{args, output::print, request::ScreenShape, screen::printed, up::Signals};

/// Between two observations.
const INTERVAL: Duration = Duration::from_millis(500);

/// Runs a lesson until its last step has passed, or a signal.
///
/// # Errors
/// There is no such lesson or step, another practice runs here, or the practice ends.
pub async fn run(args: args::LocalLesson) -> Result<()> {
    if args.lesson.list {
        return say(&list(&lessons()));
    }
    let found = find(args.lesson.number.unwrap_or_default(), args.lesson.step);
    let (lesson, step) = found.map_err(|why| anyhow!(why))?;
    let mut signals = Signals::new()?;
    let mut running = tokio::select! {
        running = Running::begin(&lesson, &args) => running?,
        () = signals.any() => return Ok(()),
    };
    let worked = tokio::select! {
        worked = work(&lesson, &args, step, &mut running) => worked,
        () = signals.any() => Ok(()),
    };
    running.end().await;
    worked
}

/// Shows steps until the last one has passed.
async fn work(
    lesson: &Lesson,
    args: &args::LocalLesson,
    step: usize,
    running: &mut Running,
) -> Result<()> {
    let mut learner = Learner::at_terminal();
    let show = Show {
        place: Place::Local,
        width: ScreenShape::of_stdout().width,
        hints: args.lesson.hint,
        answers: learner.answers(),
    };
    let mut session = Session::new(lesson, &running.names(lesson), show, step);
    say(&session.title())?;
    say(&[Line::plain(&Running::place())])?;
    let mut tick = interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !session.is_over() {
        tokio::select! {
            _ = tick.tick() => {
                let now = running.observe(lesson).await?;
                if let Some(file) = &args.record {
                    record(file, session.step_number(), &now)?;
                }
                say(&session.observe(&now))?;
            }
            line = learner.line() => say(&session.typed(&line))?,
        }
    }
    Ok(())
}

/// Appends an observation to a file.
fn record(file: &Path, step: usize, observation: &Observation) -> Result<()> {
    let line = json!({"step": step, "observation": observation});
    let file = OpenOptions::new().create(true).append(true).open(file);
    let written = file.and_then(|mut file| writeln!(file, "{line}"));
    written.context("cannot write the file of --record")
}

fn say(lines: &[Line]) -> Result<()> {
    let lines = printed(lines.to_vec(), ScreenShape::of_stdout());
    let text: String = lines
        .iter()
        .flat_map(|line| [line.as_str(), "\n"])
        .collect();
    print(&text)?;
    Ok(())
}
