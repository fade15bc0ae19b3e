//! The two outputs of a command. In: text, an error. Out: the same on standard output and standard error; whether anybody
//! still reads. Nothing panics here because nobody does. Deliberately absent: what changes in place (that is `terminal`).

use std::io::{self, Write};

use anyhow::{Context, Result};
use practice_cli::text::escaped;

/// Writes text whose lines are safe. False: whoever read it has had enough, as `head` does; nothing is wrong then.
///
/// # Errors
/// It cannot be written, as on a disk that is full.
pub fn print(text: &str) -> Result<bool> {
    let mut stdout = io::stdout().lock();
    is_read(
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush()),
    )
}

/// Writes what nobody has to have seen: a practice goes on, and ends in order, without anybody who looks.
pub fn mention(text: &str) {
    let _ = print(text); // nobody looks any more
}

/// Says why something was not done.
pub fn complain(error: &anyhow::Error) {
    let said = format!("practice-local: {error:#}");
    let mut stderr = io::stderr().lock();
    for line in said.lines() {
        let _ = writeln!(stderr, "{}", shown(line)); // nobody looks any more
    }
}

/// A line that may hold anything, without what could drive a terminal. Tabs stay: a trace of Java is full of them.
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
    fn a_line_drives_nothing_and_keeps_its_tabs() {
        assert_eq!(
            shown("\tat a\u{1b}[2J\tb\rc\u{9b}31m\u{202e}"),
            "\tat a\\u{1b}[2J\tb\\rc\\u{9b}31m\\u{202e}"
        );
        assert_eq!(shown(""), "");
    }

    #[test]
    fn whoever_has_had_enough_is_no_failure_and_a_full_disk_is_one() {
        assert!(is_read(Ok(())).expect("it was written"));
        assert!(!is_read(Err(io::ErrorKind::BrokenPipe.into())).expect("no failure"));
        let full = is_read(Err(io::ErrorKind::StorageFull.into())).expect_err("a failure");
        assert!(
            format!("{full:#}").starts_with("standard output: "),
            "{full:#}"
        );
    }
}
