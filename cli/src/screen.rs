//! Standard output. In: lines. Out: coloured text on a terminal; plain text in a pipe, with `NO_COLOR`, `--no-color` or
//! `TERM=dumb`. On a terminal it can redraw lines in place.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
};

use crate::{
    error::Failure,
    text::{Line, escaped},
};

/// Standard output.
#[derive(Debug)]
pub struct Screen {
    colours: bool,
    /// Number of lines that the next draw overwrites.
    drawn: usize,
    /// Lines of the last draw.
    last: Vec<Line>,
}

impl Screen {
    /// Detects the terminal; `no_color` disables colours.
    pub fn new(no_color: bool) -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colours = io::stdout().is_terminal() && !no_color && !is_set("NO_COLOR") && !is_dumb;
        Self {
            colours,
            drawn: 0,
            last: Vec::new(),
        }
    }

    /// Columns of the terminal; `None` when standard output is no terminal, so lines are not wrapped.
    pub fn width(&self) -> Option<usize> {
        if io::stdout().is_terminal() {
            Some(size().1)
        } else {
            None
        }
    }

    /// Whether lines can be redrawn in place.
    pub fn is_live(&self) -> bool {
        self.colours
    }

    /// Prints lines.
    ///
    /// # Errors
    /// [`Failure::Closed`] when the reader closed the pipe, [`Failure::Refused`] on another write error.
    pub fn print<'a>(&mut self, lines: impl IntoIterator<Item = &'a Line>) -> Result<(), Failure> {
        let mut out = String::new();
        for line in lines {
            out.push_str(&self.printed(line));
            out.push('\n');
        }
        self.raw(&out)
    }

    /// Prints text that is already escaped.
    ///
    /// # Errors
    /// [`Failure::Closed`] when the reader closed the pipe, [`Failure::Refused`] on another write error.
    pub fn raw(&mut self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let written = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Closed,
            _ => Failure::Refused(format!("standard output: {error}")),
        })
    }

    /// Draws lines over those of the last draw, if they differ; appends them when the output is no terminal.
    ///
    /// # Errors
    /// [`Failure::Closed`] when the reader closed the pipe, [`Failure::Refused`] on another write error.
    pub fn draw(&mut self, lines: &[Line]) -> Result<(), Failure> {
        if self.drawn > 0 && self.last == lines {
            return Ok(());
        }
        self.last = lines.to_vec();
        if !self.is_live() {
            let apart = if std::mem::replace(&mut self.drawn, 1) > 0 {
                "\n"
            } else {
                ""
            };
            self.raw(apart)?;
            return self.print(lines);
        }
        let (rows, columns) = size();
        let mut out = String::new();
        if self.drawn > 0 {
            let _ = write!(out, "\x1b[{}A\x1b[J", self.drawn);
        }
        // lines that scrolled out of the window cannot be overwritten
        let room = rows.saturating_sub(1).max(2);
        let shown = if lines.len() <= room {
            lines.len()
        } else {
            room - 1
        };
        for line in &lines[..shown] {
            out.push_str(&self.printed(&line.clone().cut(columns)));
            out.push('\n');
        }
        self.drawn = shown;
        if shown < lines.len() {
            let more = format!("… {} more lines: enlarge the window", lines.len() - shown);
            let _ = writeln!(out, "{}", self.printed(&Line::plain(&more).cut(columns)));
            self.drawn += 1;
        }
        self.raw(&out)
    }

    /// Prints a note to standard error, above the lines of the last draw.
    ///
    /// # Errors
    /// [`Failure::Closed`] when the reader closed the pipe, [`Failure::Refused`] on another write error.
    pub fn print_note(&mut self, text: &str) -> Result<(), Failure> {
        let is_between = self.is_live() && self.drawn > 0 && io::stderr().is_terminal();
        if !is_between {
            print_note(text);
            return Ok(());
        }
        let drawn = std::mem::take(&mut self.drawn);
        self.raw(&format!("\x1b[{drawn}A\x1b[J"))?;
        print_note(text);
        let last = std::mem::take(&mut self.last);
        self.draw(&last)
    }

    fn printed(&self, line: &Line) -> String {
        if self.colours {
            line.coloured()
        } else {
            line.text()
        }
    }
}

/// Prints a failure to standard error.
pub fn print_error(failure: &Failure) {
    let message = failure.to_string();
    let mut stderr = io::stderr().lock();
    for (number, line) in message.lines().enumerate() {
        let label = if number == 0 { "error: " } else { "       " };
        let _ = writeln!(stderr, "{label}{}", escaped(line)); // standard error may be closed
    }
}

/// Prints a note to standard error.
pub fn print_note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", escaped(text)); // standard error may be closed
}

/// Rows and columns of the terminal; 24 and 80 when unknown.
fn size() -> (usize, usize) {
    rustix::termios::tcgetwinsize(io::stdout())
        .ok()
        .filter(|size| size.ws_row > 0 && size.ws_col > 0)
        .map_or((24, 80), |size| (size.ws_row.into(), size.ws_col.into()))
}
