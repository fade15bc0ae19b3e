//! `kubectl cgp`: consumer groups in a terminal. In: arguments, a cluster. Out: lines, an exit code. Pure files render the
//! output (`tree`, `wide`, `journal` and `sheet` from a status, `plan` from a prediction); only verbs send requests.
//! Deliberately absent: connections to Kafka (the operator writes what it read into status), and writes, except messages of `send`.
//!
//! ```text
//! args -> cluster -> verbs/get ------> tree, wide, document --\
//!                    verbs/describe -> sheet ------------------> text -> screen
//!                    verbs/journal --> journal ---------------/
//!                    verbs/send, where_is -> follow, handled -/
//! file ------------> verbs/plan -----> plan -----------------/
//! ```

pub mod text;

pub mod state;
pub mod tree;

pub mod handled;
pub mod journal;
pub mod lesson;
pub mod plan;
pub mod sent;
pub mod sheet;
pub mod wide;

pub mod document;
pub mod report;

pub mod args;
pub mod error;
pub mod screen;

pub mod cluster;
pub mod follow;
pub mod forward;
#[cfg(test)]
mod golden;
mod kubeconfig;
pub mod operator;
pub mod verbs;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    args::{Arguments, Verb},
    cluster::Cluster,
    error::Failure,
    screen::{Screen, print_error},
};

/// Runs the plugin with the arguments of the process.
pub fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Closed | Failure::Checked) {
                print_error(&failure);
            }
            failure.exit()
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(Arguments { common, verb }: Arguments) -> Result<(), Failure> {
    let mut screen = Screen::new(common.no_color);
    let cluster = || Cluster::from_flags(&common);
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
        Verb::Where(place) => verbs::where_is::run(&cluster().await?, &place, &mut screen).await,
        Verb::Lesson(lesson) => verbs::lesson::run(&cluster, &lesson, &mut screen).await,
        Verb::Check(check) => verbs::check::run(cluster().await, &check, &mut screen).await,
        Verb::View(view) => verbs::view::run(&cluster().await?, &view, &mut screen).await,
        Verb::Version(version) => verbs::version::run(cluster().await, &version, &mut screen).await,
        Verb::Completion { shell } => verbs::completion::run(shell, &mut screen),
    }
}
