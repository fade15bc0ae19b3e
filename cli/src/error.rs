//! Failures of a command, with the exit code for scripts. Their text names the field, the value and the fix. docs/cli.md
//! lists the codes.

use std::process::ExitCode;

use thiserror::Error;

/// A failed command. Its text may have several lines.
#[derive(Debug, Error)]
pub enum Failure {
    /// 1: a request was refused.
    #[error("{0}")]
    Refused(String),
    /// 1: the right to forward a port is missing, so that asking another pod does not help.
    #[error("{0}")]
    Denied(String),
    /// 1: a check failed; the report is already printed.
    #[error("")]
    Checked,
    /// 2: wrong arguments or kubeconfig.
    #[error("{0}")]
    Usage(String),
    /// 3: the named object does not exist.
    #[error("{0}")]
    NotFound(String),
    /// 4: the cluster does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// 0: the reader closed standard output.
    #[error("")]
    Closed,
}

impl Failure {
    /// Exit code of the process.
    pub fn exit(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Closed => 0,
            Self::Refused(_) | Self::Denied(_) | Self::Checked => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Unreachable(_) => 4,
        })
    }
}
