//! Consumers whose process has ended: what they have handled cannot be asked any more. In: exits. Out: who ended when, and how. Bounded.

use std::{collections::VecDeque, os::unix::process::ExitStatusExt, process::ExitStatus};

use jiff::Timestamp;
use practice_groups::witness::End;
use serde::{Deserialize, Serialize};

use super::{Child, ENDS, Exit, Fleet, Phase, Role};
use crate::process::exit_cause;

/// Ends that are remembered.
const REMEMBERED: usize = 500;

/// The end of a consumer's process. Another one of its name may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndedConsumer {
    /// Its group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// When it ended, milliseconds since the epoch.
    pub at: i64,
    /// What happened to it: `was killed`.
    pub how: String,
}

/// Records the exit of a child, before its phase changes.
pub(super) fn record(gone: &mut VecDeque<EndedConsumer>, child: &Child, exit: &Exit) {
    if !matches!(child.role, Role::Worker(_)) {
        return;
    }
    let how = match child.phase {
        Phase::Ending { again: true, .. } => "was restarted".to_owned(),
        Phase::Ending { again: false, .. } => "was stopped".to_owned(),
        _ if child.killed => "was killed".to_owned(),
        _ => format!("exited, {}", exit_cause(&exit.status)),
    };
    if gone.len() == REMEMBERED {
        gone.pop_front();
    }
    gone.push_back(EndedConsumer {
        group: child.group.clone(),
        name: exit.name.clone(),
        at: Timestamp::now().as_millisecond(),
        how,
    });
}

impl Fleet {
    /// The last consumers whose process has ended, newest last.
    pub fn gone(&self) -> impl Iterator<Item = &EndedConsumer> {
        self.gone.iter()
    }
}

impl Child {
    /// Records an exit as evidence for the causes of rebalances.
    pub(super) fn record_end(&mut self, exit: &Exit) {
        let code = |status: &ExitStatus| {
            status
                .code()
                .or_else(|| Some(128 + status.signal()?))
                .unwrap_or_default()
        };
        let end = match self.phase {
            Phase::Ending { again: true, .. } => End::Restarted,
            _ => End::Exited(exit.status.as_ref().map(code).unwrap_or_default()),
        };
        self.ends.push_back((exit.pid.to_string(), end, true));
        if self.ends.len() > ENDS {
            self.ends.pop_front();
        }
    }
}
