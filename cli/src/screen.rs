//! Where lines go. In: lines. Out: standard output: with colours on a terminal; plain elsewhere, with `NO_COLOR`, `--no-color`
//! or a terminal that is dumb. Where it may, it draws anew in the same place.

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
    /// Lines that are there and will be drawn over.
    drawn: usize,
    /// What they say.
    last: Vec<Line>,
}

impl Screen {
    /// As it is; without colours if that is asked for.
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

    /// Columns; `None`: lines may be as long as they like.
    pub fn width(&self) -> Option<usize> {
        if io::stdout().is_terminal() {
            Some(size().1)
        } else {
            None
        }
    }

    /// Whether it can be drawn over.
    pub fn is_live(&self) -> bool {
        self.colours
    }

    /// Lines that stay.
    ///
    /// # Errors
    /// [`Failure::Closed`] when nobody reads any more, [`Failure::Refused`] when it cannot be written.
    pub fn say<'a>(&mut self, lines: impl IntoIterator<Item = &'a Line>) -> Result<(), Failure> {
        let mut out = String::new();
        for line in lines {
            out.push_str(&self.printed(line));
            out.push('\n');
        }
        self.raw(&out)
    }

    /// Text that is a document of its own, and safe already.
    ///
    /// # Errors
    /// [`Failure::Closed`] when nobody reads any more, [`Failure::Refused`] when it cannot be written.
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

    /// Lines in the place of those that were drawn before, unless they say the same; below them where that cannot be.
    ///
    /// # Errors
    /// [`Failure::Closed`] when nobody reads any more, [`Failure::Refused`] when it cannot be written.
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
            return self.say(lines);
        }
        let (rows, columns) = size();
        let mut out = String::new();
        if self.drawn > 0 {
            let _ = write!(out, "\x1b[{}A\x1b[J", self.drawn);
        }
        // what is higher than the screen would leave pieces of itself behind
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
            let more = format!(
                "… {} more lines: make the window higher",
                lines.len() - shown
            );
            let _ = writeln!(out, "{}", self.printed(&Line::plain(&more).cut(columns)));
            self.drawn += 1;
        }
        self.raw(&out)
    }

    /// A word on the side while something is drawn: it goes above that.
    ///
    /// # Errors
    /// [`Failure::Closed`] when nobody reads any more, [`Failure::Refused`] when it cannot be written.
    pub fn aside(&mut self, text: &str) -> Result<(), Failure> {
        let is_between = self.is_live() && self.drawn > 0 && io::stderr().is_terminal();
        if !is_between {
            mention(text);
            return Ok(());
        }
        let drawn = std::mem::take(&mut self.drawn);
        self.raw(&format!("\x1b[{drawn}A\x1b[J"))?;
        mention(text);
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

/// Says why something was not done.
pub fn complain(failure: &Failure) {
    let said = failure.to_string();
    let mut stderr = io::stderr().lock();
    for (number, line) in said.lines().enumerate() {
        let label = if number == 0 { "error: " } else { "       " };
        let _ = writeln!(stderr, "{label}{}", escaped(line)); // nobody looks any more
    }
}

/// A word on the side, which is no part of the output.
pub fn mention(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", escaped(text)); // nobody looks any more
}

/// Rows and columns of the terminal.
fn size() -> (usize, usize) {
    rustix::termios::tcgetwinsize(io::stdout())
        .ok()
        .filter(|size| size.ws_row > 0 && size.ws_col > 0)
        .map_or((24, 80), |size| (size.ws_row.into(), size.ws_col.into()))
}
