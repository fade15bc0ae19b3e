//! Why a command was not done, and the exit code that says so to scripts. In: what went wrong. Out: a sentence that names the
//! field, the value and the fix. docs/cli.md lists the codes.

use std::process::ExitCode;

use thiserror::Error;

/// A command that was not done. Its text may have several lines.
#[derive(Debug, Error)]
pub enum Failure {
    /// 1: something was refused, or is not as it should be.
    #[error("{0}")]
    Refused(String),
    /// 1: what was printed says it all.
    #[error("")]
    Checked,
    /// 2: what was typed cannot be done.
    #[error("{0}")]
    Usage(String),
    /// 3: what was named is not there.
    #[error("{0}")]
    NotFound(String),
    /// 4: the cluster does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// 0: whoever read the output has had enough.
    #[error("")]
    Closed,
}

impl Failure {
    /// What the process ends with.
    pub fn exit(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Closed => 0,
            Self::Refused(_) | Self::Checked => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Unreachable(_) => 4,
        })
    }
}
