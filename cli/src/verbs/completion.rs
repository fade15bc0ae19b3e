//! `completion`: a script for a shell.

use clap::CommandFactory;
use clap_complete::{
    generate,
    shells::{Bash, Fish, Zsh},
};

use crate::{
    args::{Arguments, Shell},
    error::Failure,
    screen::Screen,
};

/// Script that kubectl runs as `kubectl_complete-cgp`. In: the words after `cgp`, the last one to be completed. Out: a line for
/// each completion, then `:4`, which disables completion of file names.
const KUBECTL: &str = r#"#!/usr/bin/env bash
# kubectl completes "kubectl cgp" with this: put it on the PATH as kubectl_complete-cgp
source <(kubectl-cgp completion bash)
COMP_WORDS=(kubectl-cgp "$@") COMP_CWORD=$#
_kubectl_cgp kubectl-cgp "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}" :4
"#;

/// Runs the verb. Bash, zsh and fish scripts complete `kubectl-cgp`; the kubectl script completes `kubectl cgp`.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(shell: Shell, screen: &mut Screen) -> Result<(), Failure> {
    let mut command = Arguments::command().bin_name("kubectl-cgp");
    let mut script = Vec::new();
    match shell {
        // clap_complete 4.6 generates labels that do not match for a name with a hyphen: arguments after the verb would not complete
        Shell::Bash => {
            generate(Bash, &mut command, "kubectl_cgp", &mut script);
            let text = String::from_utf8_lossy(&script)
                .replace("-o default kubectl_cgp", "-o default kubectl-cgp");
            return screen.raw(&text);
        }
        Shell::Zsh => generate(Zsh, &mut command, "kubectl-cgp", &mut script),
        Shell::Fish => generate(Fish, &mut command, "kubectl-cgp", &mut script),
        Shell::Kubectl => return screen.raw(KUBECTL),
    }
    screen.raw(&String::from_utf8_lossy(&script))
}
