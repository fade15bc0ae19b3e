//! `lesson`: a learner works through steps while a practice runs here. In: a lesson, what the running practice and its consumers report,
//! lines that the learner types. Out: lines. Starts the practice of the lesson, unless it runs already.

mod observe;
mod running;

use std::{
    io::{IsTerminal, stdin},
    time::Duration,
};

use anyhow::{Result, bail};
use practice_cli::{
    lesson::{Place, Session, Show, list},
    text::Line,
};
use practice_lessons::{Lesson, lesson, lessons};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use self::running::Running;
use crate::{args, output::print, request::ScreenShape, screen::printed, up::Signals};

/// Between two observations.
const INTERVAL: Duration = Duration::from_millis(500);

/// Runs a lesson until its last step has passed, or a signal.
///
/// # Errors
/// There is no such lesson or step, another practice runs here, or the practice ends.
pub async fn run(args: args::Lesson) -> Result<()> {
    if args.list {
        return say(&list(&lessons()));
    }
    let lesson = find(args.number.unwrap_or_default())?;
    let step = usize::try_from(args.step).unwrap_or(usize::MAX);
    let steps = lesson.steps.len();
    if step > steps {
        bail!(
            "--step `{step}`: lesson {} has {steps} steps",
            lesson.number
        );
    }
    let mut signals = Signals::new()?;
    let mut running = tokio::select! {
        running = Running::begin(&lesson, &args) => running?,
        () = signals.any() => return Ok(()),
    };
    let worked = tokio::select! {
        worked = work(&lesson, &args, step - 1, &mut running) => worked,
        () = signals.any() => Ok(()),
    };
    running.end().await;
    worked
}

fn find(number: usize) -> Result<Lesson> {
    match lesson(number) {
        Some(lesson) => Ok(lesson),
        None => bail!("no lesson `{number}`: lessons are 1 to {}", lessons().len()),
    }
}

/// Shows steps until the last one has passed.
async fn work(
    lesson: &Lesson,
    args: &args::Lesson,
    step: usize,
    running: &mut Running,
) -> Result<()> {
    let mut learner = Learner::new();
    let show = Show {
        place: Place::Local,
        width: ScreenShape::of_stdout().width,
        hints: args.hint,
        answers: learner.answers(),
    };
    let mut session = Session::new(lesson, &running.names(lesson), show, step);
    say(&session.title())?;
    say(&[Line::plain(&running.place())])?;
    let mut tick = interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !session.is_over() {
        tokio::select! {
            _ = tick.tick() => {
                let now = running.observe(lesson).await?;
                say(&session.observe(&now))?;
            }
            line = learner.line() => say(&session.typed(&line))?,
        }
    }
    Ok(())
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

/// Lines that the learner types; none without a terminal.
struct Learner(Option<mpsc::UnboundedReceiver<String>>);

impl Learner {
    fn new() -> Self {
        if !stdin().is_terminal() {
            return Self(None);
        }
        let (sender, lines) = mpsc::unbounded_channel();
        // a thread that the end of the program does not wait for, as it would for a read by tokio
        std::thread::spawn(move || {
            let mut lines = stdin().lines().map_while(Result::ok);
            lines.all(|line| sender.send(line).is_ok())
        });
        Self(Some(lines))
    }

    fn answers(&self) -> bool {
        self.0.is_some()
    }

    async fn line(&mut self) -> String {
        if let Some(lines) = &mut self.0
            && let Some(line) = lines.recv().await
        {
            return line;
        }
        self.0 = None; // the terminal is closed
        std::future::pending().await
    }
}
