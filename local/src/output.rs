//! Standard output and standard error of a command. In: text, an error. Out: whether the reader still reads. A closed pipe
//! never panics. Deliberately absent: redrawing in place (that is `terminal`).

use std::io::{self, Write};

use anyhow::{Context, Result};
use practice_cli::text::escaped;

/// Writes escaped text. Returns false when the reader closed the pipe, as `head` does.
///
/// # Errors
/// The text cannot be written, as on a full disk.
pub fn print(text: &str) -> Result<bool> {
    let mut stdout = io::stdout().lock();
    is_read(
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush()),
    )
}

/// Writes a note and ignores errors, because a practice runs without a terminal, too.
pub fn print_note(text: &str) {
    let _ = print(text); // the terminal may be closed
}

/// Prints an error to standard error.
pub fn print_error(error: &anyhow::Error) {
    let message = format!("practice-local: {error:#}");
    let mut stderr = io::stderr().lock();
    for line in message.lines() {
        let _ = writeln!(stderr, "{}", shown(line)); // the terminal may be closed
    }
}

/// Escapes control characters of a line, except tabs, which stack traces of Java contain.
pub fn shown(line: &str) -> String {
    line.split('\t').map(escaped).collect::<Vec<_>>().join("\t")
}

fn is_read(written: io::Result<()>) -> Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_except_tabs() {
        assert_eq!(
            shown("\tat a\u{1b}[2J\tb\rc\u{9b}31m\u{202e}"),
            "\tat a\\u{1b}[2J\tb\\rc\\u{9b}31m\\u{202e}"
        );
        assert_eq!(shown(""), "");
    }

    #[test]
    fn closed_pipe_is_no_failure_and_full_disk_is() {
        assert!(is_read(Ok(())).expect("it was written"));
        assert!(!is_read(Err(io::ErrorKind::BrokenPipe.into())).expect("no failure"));
        let full = is_read(Err(io::ErrorKind::StorageFull.into())).expect_err("a failure");
        assert!(
            format!("{full:#}").starts_with("standard output: "),
            "{full:#}"
        );
    }
}
