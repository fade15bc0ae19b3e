//! Output of `up`. On a terminal, events scroll above a table that is redrawn in place. In a pipe, or with `NO_COLOR`, it prints
//! plain lines, and the table again when it changes. All text is escaped, because names and messages may come from other
//! applications. A closed terminal is ignored.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use practice_cli::text::{Line, escaped};
use practice_plan::events::Severity;

use crate::output::{print, print_error};

/// Least interval of printing the table where it cannot be redrawn.
const PLAIN_PAUSE: Duration = Duration::from_secs(2);

/// Standard output of `up`.
#[derive(Debug)]
pub struct Terminal {
    live: bool,
    /// Table below the events.
    table: Vec<String>,
    /// Number of its lines on the screen.
    drawn: usize,
    printed_at: Option<Instant>,
    /// Whether the table differs from the printed one.
    changed: bool,
    /// Whether standard output failed, so that it is reported once.
    failed: bool,
}

impl Terminal {
    /// Detects the terminal.
    pub fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            live: io::stdout().is_terminal() && !plain,
            table: Vec::new(),
            drawn: 0,
            printed_at: None,
            changed: false,
            failed: false,
        }
    }

    /// Prints lines.
    pub fn print<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        let out = self.above() + &plain(lines);
        self.write(out);
    }

    /// Prints an event with its time.
    pub fn print_event(&mut self, tone: Severity, text: &str) {
        self.print_events(tone, &[text.to_owned()]);
    }

    /// Prints an event of several lines at once.
    pub fn print_events(&mut self, tone: Severity, lines: &[String]) {
        let time = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
        let lines: String = lines
            .iter()
            .map(|line| stamped(&time, tone, line, self.live))
            .collect();
        let out = self.above() + &lines;
        self.write(out);
    }

    /// Columns of the terminal that a line of the table may use; `None`: no limit, as in a pipe.
    pub fn columns(&self) -> Option<usize> {
        self.live.then(|| size().1.saturating_sub(1))
    }

    /// Redraws the table; in a pipe it prints the table only if it changed.
    pub fn show(&mut self, table: &[String], changed: bool) {
        let table: Vec<String> = table.iter().map(|line| escaped(line)).collect();
        if self.live {
            if table != self.table {
                let out = self.above();
                self.table = table;
                self.write(out);
            }
            return;
        }
        self.changed |= changed;
        if self.changed && self.printed_at.is_none_or(|at| at.elapsed() >= PLAIN_PAUSE) {
            (self.printed_at, self.changed) = (Some(Instant::now()), false);
            let mut out = String::new();
            for line in &table {
                out.push_str(line);
                out.push('\n');
            }
            self.table = table;
            self.write(out);
        }
    }

    /// Ends redrawing in place.
    pub fn leave(&mut self) {
        self.live = false;
    }

    /// Removes the table from the screen.
    fn above(&mut self) -> String {
        let up = std::mem::take(&mut self.drawn);
        if self.live && up > 0 {
            format!("\x1b[{up}A\x1b[J")
        } else {
            String::new()
        }
    }

    fn write(&mut self, mut out: String) {
        if self.live && !self.table.is_empty() {
            let (rows, columns) = size();
            let shown = fitted(
                &self.table,
                rows.saturating_sub(2),
                columns.saturating_sub(1),
            );
            out.push('\n');
            for line in &shown {
                out.push_str(line);
                out.push('\n');
            }
            self.drawn = shown.len() + 1;
        }
        let written = print(&out);
        if let Err(error) = written
            && !std::mem::replace(&mut self.failed, true)
        {
            print_error(&error); // the terminal of both may be closed
        }
    }
}

/// The table in a window: lines that scrolled out of the window cannot be overwritten. `…` and the last line mark what is missing.
fn fitted(table: &[String], rows: usize, columns: usize) -> Vec<String> {
    let cut = |line: &str| Line::plain(line).cut(columns).text();
    if table.len() <= rows {
        return table.iter().map(|line| cut(line)).collect();
    }
    let shown = rows.saturating_sub(1);
    let more = table.len() - shown;
    let note = format!("  … {more} more lines: see `practice-local status`");
    let lines = table[..shown].iter().map(String::as_str);
    lines.chain([note.as_str()]).map(cut).collect()
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

/// Joins escaped lines without colours.
fn plain<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    lines.into_iter().map(|line| escaped(line) + "\n").collect()
}

/// A line with its time in front.
fn stamped(time: &str, tone: Severity, text: &str, coloured: bool) -> String {
    let text = escaped(text);
    match (tone, coloured) {
        (Severity::Normal, true) => format!("\x1b[2m{time}\x1b[0m  {text}\n"),
        (Severity::Warning, true) => format!("\x1b[2m{time}\x1b[0m  \x1b[33m{text}\x1b[0m\n"),
        (_, false) => format!("{time}  {text}\n"),
    }
}

/// Rows and columns of the terminal.
fn size() -> (usize, usize) {
    rustix::termios::tcgetwinsize(io::stdout())
        .ok()
        .filter(|size| size.ws_row > 0 && size.ws_col > 0)
        .map_or((24, 80), |size| (size.ws_row.into(), size.ws_col.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_a_window_is_marked() {
        let table =
            ["  topic  0    1    2", "  g      a    a    b", "  h      a"].map(str::to_owned);
        assert_eq!(fitted(&table, 3, 80), table);
        assert_eq!(
            fitted(&table, 3, 16),
            ["  topic  0    1…", "  g      a    a…", "  h      a"]
        );
        assert_eq!(
            fitted(&table, 2, 80),
            [
                "  topic  0    1    2",
                "  … 2 more lines: see `practice-local status`"
            ]
        );
        assert_eq!(fitted(&table, 2, 12), ["  topic  0 …", "  … 2 more …"]);
    }

    #[test]
    fn control_characters_are_escaped_and_lines_not_forged() {
        let nasty = "a\u{1b}[2J\nb\u{9b}31m";
        let safe = "a\\u{1b}[2J\\nb\\u{9b}31m";
        assert_eq!(plain(["", "  one", nasty]), format!("\n  one\n{safe}\n"));
        let stamped = |tone, coloured| stamped("12:00:00", tone, nasty, coloured);
        assert_eq!(
            stamped(Severity::Warning, false),
            format!("12:00:00  {safe}\n")
        );
        assert_eq!(
            stamped(Severity::Normal, true),
            format!("\x1b[2m12:00:00\x1b[0m  {safe}\n")
        );
        assert_eq!(
            stamped(Severity::Warning, true),
            format!("\x1b[2m12:00:00\x1b[0m  \x1b[33m{safe}\x1b[0m\n")
        );
    }
}
