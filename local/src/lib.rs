//! A practice on one machine, without a cluster: the operator's manifest as child processes of one self-contained program.
//! In: arguments. Out: an exit code. The data path is the operator's, with `fleet` in place of `objects` and `apply`. It
//! contacts no cluster, and reuses the operator's rules instead of repeating them.
//!
//! ```text
//! manifest -> practice: plan -> (embedded::rewrite) -> prepare -> fleet -> observe -> status -> screen, terminal
//! request (control, client) ----^
//! ```

pub mod args;
pub mod up;

pub mod manifest;
pub mod practice;

pub mod changes;
pub mod request;

pub mod fleet;
pub mod kafka;

pub mod apache;
pub mod embedded;
pub mod jars;
pub mod java;

pub mod children;
pub mod log;
pub mod ports;
pub mod process;

pub mod view;

pub mod client;
pub mod control;
pub mod lesson;
pub mod output;
pub mod screen;
pub mod send;
pub mod terminal;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use practice_cli::error::Failure;

use crate::{
    args::{Arguments, BrokerAction, Command},
    request::{Number, Request, ScreenShape, Signal},
};

/// Runs local mode with the arguments of the process.
pub fn main() -> ExitCode {
    let Arguments { directory, command } = Arguments::parse();
    let ended = match command {
        Command::Worker { .. } => return children::worker(),
        Command::Producer { .. } => return children::producer(),
        Command::Embedded { brokers } => return children::embedded(brokers),
        Command::Keeper { command } => return children::keeper(&command),
        Command::Kept { keeper, command } => return children::kept(keeper, &command),
        command => up::enter(directory.as_deref()).and_then(|()| run(command)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref() {
            // it is printed already
            Some(Failure::Checked) => ExitCode::FAILURE,
            Some(Failure::Closed) => ExitCode::SUCCESS,
            _ => {
                output::print_error(&error);
                ExitCode::FAILURE
            }
        },
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(command: Command) -> Result<()> {
    let consumer = |name, what| client::request(Request::Consumer { name, what });
    match command {
        Command::Up(up) => up::up(up).await,
        Command::Status => client::request(Request::Status(ScreenShape::of_stdout())).await,
        Command::Journal { group, last } => {
            client::request(Request::Journal {
                group,
                last,
                screen: ScreenShape::of_stdout(),
            })
            .await
        }
        Command::Plan {
            manifest,
            kafka,
            output,
        } => client::plan(&manifest, kafka, output).await,
        Command::Logs {
            follow,
            tail,
            consumer,
        } => client::logs(&consumer, tail, follow).await,
        Command::Scale { group, replicas } => {
            let to =
                Number::To(i32::try_from(replicas).context("REPLICAS is too large: use 0 to 100")?);
            client::request(Request::Scale { group, to }).await
        }
        Command::Restart { consumer: name } => consumer(name, Signal::Restart).await,
        Command::Kill { consumer: name } => consumer(name, Signal::Kill).await,
        Command::Pause { consumer: name } => consumer(name, Signal::Pause).await,
        Command::Resume { consumer: name } => consumer(name, Signal::Resume).await,
        Command::Stop { group } => {
            client::request(Request::State {
                group,
                stopped: true,
            })
            .await
        }
        Command::Start { group } => {
            client::request(Request::State {
                group,
                stopped: false,
            })
            .await
        }
        Command::Send(send) => send::send(send).await,
        Command::Where { place, output } => send::look_up(&place, output).await,
        Command::Lesson(lesson) => lesson::run(lesson).await,
        Command::Broker { action, id } => {
            client::request(Request::Broker {
                id,
                start: action == BrokerAction::Start,
            })
            .await
        }
        // child processes run in `main`, with their own runtime
        Command::Worker { .. }
        | Command::Producer { .. }
        | Command::Embedded { .. }
        | Command::Keeper { .. }
        | Command::Kept { .. } => Ok(()),
    }
}
