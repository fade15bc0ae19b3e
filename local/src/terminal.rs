//! Where lines go. On a terminal: what happened scrolls by above a table that stays, and changes in place. Elsewhere, or
//! with `NO_COLOR` set to anything: plain lines, the table again whenever it has changed, no colour, no cursor movement.
//! Everything is escaped on its way in: names and sentences may be of other applications, and only what is written here may
//! drive the terminal. Whether anybody looks makes no difference.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use practice_cli::text::escaped;
use practice_plan::events::Severity;

/// The table is written again this often at most where it cannot change in place.
const PLAIN_PAUSE: Duration = Duration::from_secs(2);

/// The screen.
#[derive(Debug)]
pub struct Terminal {
    live: bool,
    /// What stands below.
    table: Vec<String>,
    /// How many lines of it are on the screen now.
    drawn: usize,
    told: Option<Instant>,
    /// It means something else than what was written last.
    changed: bool,
}

impl Terminal {
    /// Standard output, as it is.
    pub fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            live: io::stdout().is_terminal() && !plain,
            table: Vec::new(),
            drawn: 0,
            told: None,
            changed: false,
        }
    }

    /// Lines that stay.
    pub fn say<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        let out = self.above() + &plain(lines);
        self.write(out);
    }

    /// Something that happened.
    pub fn tell(&mut self, tone: Severity, text: &str) {
        self.tell_all(tone, &[text.to_owned()]);
    }

    /// Something that happened, in several lines, which appear together.
    pub fn tell_all(&mut self, tone: Severity, lines: &[String]) {
        let time = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
        let lines: String = lines
            .iter()
            .map(|line| stamped(&time, tone, line, self.live))
            .collect();
        let out = self.above() + &lines;
        self.write(out);
    }

    /// The table as it is now. Where it cannot change in place it is written again only if it means something else.
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
        if self.changed && self.told.is_none_or(|told| told.elapsed() >= PLAIN_PAUSE) {
            (self.told, self.changed) = (Some(Instant::now()), false);
            let mut out = String::new();
            for line in &table {
                out.push_str(line);
                out.push('\n');
            }
            self.table = table;
            self.write(out);
        }
    }

    /// Nothing changes in place any more.
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
            // what is higher than the screen would leave pieces of itself behind
            let shown = self.table.len().min(rows.saturating_sub(2));
            out.push('\n');
            for line in &self.table[..shown] {
                out.extend(line.chars().take(columns.saturating_sub(1)));
                out.push('\n');
            }
            self.drawn = shown + 1;
        }
        let mut stdout = io::stdout().lock();
        let _ = stdout
            .write_all(out.as_bytes())
            .and_then(|()| stdout.flush()); // nobody looks any more
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

/// Lines without colour.
fn plain<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    lines.into_iter().map(|line| escaped(line) + "\n").collect()
}

/// A line with its time.
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
    fn what_is_said_neither_drives_the_terminal_nor_forges_a_line() {
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
