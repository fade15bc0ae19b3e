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

/// Does it. The script completes `kubectl-cgp`, the plugin's own name.
///
/// # Errors
/// Nobody reads it.
pub fn run(shell: Shell, screen: &mut Screen) -> Result<(), Failure> {
    let mut command = Arguments::command().bin_name("kubectl-cgp");
    let mut script = Vec::new();
    match shell {
        Shell::Bash => generate(Bash, &mut command, "kubectl-cgp", &mut script),
        Shell::Zsh => generate(Zsh, &mut command, "kubectl-cgp", &mut script),
        Shell::Fish => generate(Fish, &mut command, "kubectl-cgp", &mut script),
    }
    screen.raw(&String::from_utf8_lossy(&script))
}
