//! The sentences of the journal: one for each cause of a rebalance, and what the user can do about it.

use practice_contract::Hold;

use super::{Cause, evidence::Evidence};
use crate::witness::Runtime;

impl Evidence<'_> {
    /// One sentence for a cause, about the clients of the members that left and joined for it.
    pub(super) fn sentence(
        &self,
        cause: Cause,
        code: Option<i32>,
        left: &[&str],
        joined: &[&str],
    ) -> String {
        let (old, new, any) = (
            list(left),
            list(joined),
            list(if left.is_empty() { joined } else { left }),
        );
        let be = |names: &[&str]| if names.len() == 1 { "was" } else { "were" };
        let is = if left.is_empty() {
            be(joined)
        } else {
            be(left)
        };
        let pair = |verb: &str| match (left.is_empty(), joined.is_empty()) {
            (false, false) => format!("{verb}: {new} replaced {old}."),
            (false, true) => format!("{verb}: {old} left."),
            (true, _) => format!("{verb}: {new} joined."),
        };
        match cause {
            Cause::ScaledUp => format!("Scaled up: {new} {} added.", be(joined)),
            Cause::ScaledDown => format!("Scaled down: {old} {} removed.", be(left)),
            Cause::Rollout => pair("Rollout after a change of the pod template"),
            Cause::TopicsChanged => pair("The topics of the group changed"),
            Cause::ReconfiguredBySpec => pair(
                "The spec changed the protocol or the assignor, which all members of a group share",
            ),
            Cause::StoppedBySpec => match self.witness.last_hold(self.group) {
                Some(Hold::Unclaimed) => format!(
                    "The group's consumers may not use the group id with the current spec: {old} left."
                ),
                _ => format!("The spec stopped the group: {old} left."),
            },
            Cause::StartedBySpec => match self.witness.last_hold(self.group) {
                Some(Hold::Unclaimed) => {
                    pair("The group's consumers waited for permission to use the group id")
                }
                _ => pair("The spec started the group"),
            },
            Cause::ContainerExited => {
                let with = code.map_or_else(String::new, |code| {
                    format!(" with code {code}{}", signal(code))
                });
                format!("{any} exited{with}.{}", rejoined(left, joined))
            }
            Cause::OomKilled => {
                format!(
                    "{any} {is} OOM-killed (memory limit exceeded).{}",
                    rejoined(left, joined)
                )
            }
            Cause::Evicted if left.is_empty() => format!("A pod was evicted: {new} replaced it."),
            Cause::Evicted => {
                format!(
                    "{old} {is} evicted from {} node.",
                    if left.len() == 1 { "its" } else { "their" }
                )
            }
            Cause::PodDeleted if left == joined => format!("{old} {is} restarted."),
            Cause::PodDeleted if left.is_empty() => {
                format!("A consumer was deleted: {new} replaced it.")
            }
            Cause::PodDeleted => format!("{old} {is} deleted."),
            Cause::SessionTimedOut if left.is_empty() => {
                format!("{new} answers again and rejoined.")
            }
            Cause::SessionTimedOut => {
                format!(
                    "{old} {is} removed from the group: no heartbeat within the session timeout.{}",
                    rejoined(left, joined)
                )
            }
            Cause::PartitionsAdded | Cause::Unknown => String::new(),
        }
    }
}

/// The signal in an exit code, as shells and container runtimes put it there.
fn signal(code: i32) -> &'static str {
    match code {
        134 => " (SIGABRT)",
        137 => " (SIGKILL)",
        139 => " (SIGSEGV)",
        143 => " (SIGTERM)",
        _ => "",
    }
}

/// What follows the sentence about a process that ended or froze. A process that restarts before the broker removes its former
/// member causes two rebalances.
fn rejoined(left: &[&str], joined: &[&str]) -> &'static str {
    if !left.is_empty() && joined.is_empty() {
        ""
    } else {
        " It rejoined."
    }
}

fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    }
}

/// What to do about a cause, for the consumer named `client`.
pub(super) fn advice(cause: Cause, client: &str, runtime: Runtime) -> Option<String> {
    let last_lines = match runtime {
        Runtime::Cluster => format!("kubectl logs --previous {client}"),
        Runtime::Local => format!("practice-local logs {client}"),
    };
    match cause {
        Cause::ContainerExited => Some(format!("Read its last log lines: {last_lines}")),
        Cause::OomKilled => Some(match runtime {
            Runtime::Cluster => {
                "Raise the workers' memory limit: chart value worker.resources, which replaces the default as a whole"
                    .to_owned()
            }
            Runtime::Local => "Check which limit or process on this machine killed it for its memory use".to_owned(),
        }),
        Cause::SessionTimedOut => {
            let what = "Check whether the process is frozen or the network is broken";
            Some(match runtime {
                Runtime::Cluster => format!("{what}: kubectl describe pod {client}"),
                Runtime::Local => format!("{what}: practice-local status"),
            })
        }
        _ => None,
    }
}
