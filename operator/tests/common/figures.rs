//! Figures that were measured. In: what, how much, what it may be, how it was measured. Out: a row of a table, in the file
//! that `FIGURES` names (`.ci/test` prints it) and on stderr.

use std::{env, fmt::Display, fs::OpenOptions, io::Write};

use super::say;

/// Notes one figure.
pub(crate) fn figure(what: &str, measured: impl Display, bound: &str, how: &str) {
    let row = format!("| {what} | {measured} | {bound} | {how} |");
    say(&row);
    if let Some(file) = env::var_os("FIGURES") {
        let opened = OpenOptions::new().append(true).create(true).open(&file);
        let written = opened.and_then(|mut file| writeln!(file, "{row}"));
        written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

/// The middle one.
pub(crate) fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).expect("figures are numbers"));
    values[values.len() / 2]
}
