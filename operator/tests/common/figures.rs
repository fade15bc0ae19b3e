//! Figures that were measured. In: what, how much, what it may be, how it was measured. Out: a row of a table, in the file
//! that `FIGURES` names (`.ci/test` prints it) and on stderr.

use std::{env, fs::OpenOptions, io::Write};

use super::print_line;

/// What a figure may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// Nothing was promised.
    None,
}

impl Bound {
    /// Whether it is kept, with this much room for a machine that does other things meanwhile.
    pub(crate) fn is_kept(self, value: f64, room: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most * room,
            Self::AtLeast(least) => value >= least / room,
            Self::None => true,
        }
    }
}

/// Notes one figure, and says when its bound is missed.
pub(crate) fn figure(what: &str, value: f64, unit: &str, bound: Bound, how: &str) {
    let promised = match bound {
        Bound::AtMost(most) => format!("<= {most} {unit}"),
        Bound::AtLeast(least) => format!(">= {least} {unit}"),
        Bound::None => "-".to_owned(),
    };
    let missed = if bound.is_kept(value, 1.0) {
        ""
    } else {
        " (missed)"
    };
    let digits = if value.fract() == 0.0 || value.abs() >= 1000.0 {
        0
    } else {
        2
    };
    let others = others(what);
    let row =
        format!("| {what} | {value:.digits$} {unit}{missed} | {promised} | {others} | {how} |");
    print_line(&row);
    if let Some(file) = env::var_os("FIGURES") {
        let opened = OpenOptions::new().append(true).create(true).open(&file);
        let written = opened.and_then(|mut file| writeln!(file, "{row}"));
        written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

/// As [`figure`], and fails where the bound is missed by more than this factor.
pub(crate) fn hold(what: &str, value: f64, unit: &str, bound: Bound, room: f64, how: &str) {
    figure(what, value, unit, bound, how);
    assert!(
        bound.is_kept(value, room),
        "{what}: {value:.2} {unit}, wanted {bound:?} with {room} times as much room"
    );
}

/// What the Python original and the usual tools were measured at, each in a run of its own on a machine of this size (2 cores,
/// one Kafka 4.3 broker, loopback): to be compared with care.
fn others(what: &str) -> &'static str {
    match what {
        "consuming, lines on, CPU" => "original 57 s",
        "consuming, lines on, peak RSS" => "original 79 MiB",
        "consuming, lines on" => "original 17,400",
        "consuming, lines off, CPU" => "original 4.3 s, kcat -G 0.69 s, Java 3.3 s",
        "consuming, lines off, peak RSS" => "original 72 MiB, kcat -G 48 MiB, Java 379 MiB",
        "consuming, lines off" => "original 109,000, kcat -G 582,000, Java 384,000",
        "first message" => "original 249 ms, kcat -G 128 ms",
        "idle worker, PSS" => "original 23.5 MiB",
        "worker, 1 GB behind, 5 s a message, PSS" => "original 74-90 MiB",
        "POST, 64 clients" => "original 620, unacknowledged",
        "POST, 64 clients, p50" => "original 101 ms",
        "POST, 64 clients, p99" => "original 138 ms",
        "POST, 64 clients, CPU of the producer" => "original 1.27 s",
        "POST, 1 client" => "original 588, unacknowledged",
        "POST, 1 client, p50" => "original 1.6 ms",
        "POST, 1 client, p99" => "original 4.7 ms",
        "POST, 1 client, CPU of the producer" => "original 1.36 s",
        "producer, PSS" => "original 62 MiB",
        "hand-over at SIGTERM, Classic" => "original in a pod 72.9 s",
        _ => "-",
    }
}

/// The middle one.
pub(crate) fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).expect("figures are numbers"));
    values[values.len() / 2]
}
