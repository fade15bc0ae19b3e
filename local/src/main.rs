//! `practice-local`: arguments in, an exit code out. Everything else is the library's.

use std::process::ExitCode;

fn main() -> ExitCode {
    practice_local::main()
}
