//! `kubectl cgp`: consumer groups seen from a terminal. In: arguments, a cluster. Out: lines, an exit code. What is shown is
//! made by pure files (`tree`, `wide`, `journal`, `sheet`, from a status; `plan`, from a prediction); whatever talks to the cluster is a verb.
//! Deliberately absent: Kafka (status says what it says) and any write but messages that are sent.
//!
//! ```text
//! args -> cluster -> verbs/get ------> tree, wide, document --\
//!                    verbs/describe -> sheet ------------------> text -> screen
//!                    verbs/journal --> journal ---------------/
//! file ------------> verbs/plan -----> plan -----------------/
//! ```

pub mod text;

pub mod state;
pub mod tree;

pub mod journal;
pub mod plan;
pub mod sheet;
pub mod wide;

pub mod document;
pub mod report;

pub mod args;
pub mod error;
pub mod screen;

pub mod cluster;
pub mod forward;
mod kubeconfig;
pub mod operator;
pub mod verbs;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    args::{Arguments, Verb},
    cluster::Cluster,
    error::Failure,
    screen::{Screen, complain},
};

/// The program.
pub fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Closed | Failure::Checked) {
                complain(&failure);
            }
            failure.exit()
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(Arguments { common, verb }: Arguments) -> Result<(), Failure> {
    let mut screen = Screen::new(common.no_color);
    let cluster = || Cluster::of(&common);
    match verb {
        Verb::Get(get) => verbs::get::run(&cluster().await?, &get, &mut screen).await,
        Verb::Describe { name } => {
            verbs::describe::run(&cluster().await?, &name, &mut screen).await
        }
        Verb::Journal(journal) => {
            verbs::journal::run(&cluster().await?, &journal, &mut screen).await
        }
        Verb::Logs(logs) => verbs::logs::run(&cluster().await?, &logs, &mut screen).await,
        Verb::Plan(plan) => verbs::plan::run(&common, &plan, &mut screen).await,
        Verb::Send(send) => verbs::send::run(&cluster().await?, &send, &mut screen).await,
        Verb::Check(check) => verbs::check::run(cluster().await, &check, &mut screen).await,
        Verb::View(view) => verbs::view::run(&cluster().await?, &view, &mut screen).await,
        Verb::Version(version) => verbs::version::run(cluster().await, &version, &mut screen).await,
        Verb::Completion { shell } => verbs::completion::run(shell, &mut screen),
    }
}
