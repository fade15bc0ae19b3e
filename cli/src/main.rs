//! `kubectl cgp`

use std::process::ExitCode;

fn main() -> ExitCode {
    practice_cli::main()
}
