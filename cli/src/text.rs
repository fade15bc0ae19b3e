//! Text for a terminal. In: words with a tone. Out: lines, with colours or without. Nothing gets into a [`Line`] unescaped, so
//! whatever came from a manifest, from Kafka or from a log can neither drive the terminal nor forge a line.
//! Deliberately absent: where lines go (that is `screen`).

use std::fmt::Write;

use practice_contract::lines::escape;
use unicode_width::UnicodeWidthStr;

pub use practice_plan::predict::counted;

/// How a word is meant. A colour never says anything that the words beside it do not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// Less important.
    Dim,
    /// More important.
    Strong,
    /// As it should be.
    Good,
    /// To be looked at.
    Warn,
    /// Broken.
    Bad,
    /// One of several things that are told apart, such as groups; by their place.
    Hue(usize),
}

/// Cyan, magenta, blue, yellow, green, and the bright ones of them.
const HUES: [u8; 10] = [36, 35, 34, 33, 32, 96, 95, 94, 93, 92];

impl Tone {
    /// Select Graphic Rendition (ECMA-48).
    fn sgr(self) -> Option<u8> {
        match self {
            Self::Plain => None,
            Self::Dim => Some(2),
            Self::Strong => Some(1),
            Self::Good => Some(32),
            Self::Warn => Some(33),
            Self::Bad => Some(31),
            Self::Hue(place) => Some(HUES[place % HUES.len()]),
        }
    }
}

/// One line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    spans: Vec<(Tone, String)>,
}

/// Escapes what could drive a terminal.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text.as_bytes());
    out
}

impl Line {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Plain words.
    pub fn plain(text: &str) -> Self {
        Self::of(Tone::Plain, text)
    }

    /// Words of one tone.
    pub fn of(tone: Tone, text: &str) -> Self {
        Self::new().and(tone, text)
    }

    /// With more words.
    #[must_use]
    pub fn and(mut self, tone: Tone, text: &str) -> Self {
        self.push(tone, text);
        self
    }

    /// More words.
    pub fn push(&mut self, tone: Tone, text: &str) {
        if !text.is_empty() {
            self.spans.push((tone, escaped(text)));
        }
    }

    /// More words, from bytes that need not be UTF-8.
    pub fn push_bytes(&mut self, tone: Tone, bytes: &[u8]) {
        let mut text = String::with_capacity(bytes.len());
        escape(&mut text, bytes);
        self.spans.push((tone, text));
    }

    /// Another line after this one.
    pub fn append(&mut self, other: Self) {
        self.spans.extend(other.spans);
    }

    /// Blanks up to a column.
    pub fn pad(&mut self, column: usize) {
        let width = self.width();
        if width < column {
            self.spans.push((Tone::Plain, " ".repeat(column - width)));
        }
    }

    /// Blanks up to a column, at least three.
    pub fn gap(&mut self, column: usize) {
        self.pad(column.max(self.width() + 3));
    }

    /// Columns that it takes.
    pub fn width(&self) -> usize {
        self.spans.iter().map(|(_, text)| text.width()).sum()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Without colours.
    pub fn text(&self) -> String {
        let text: String = self.spans.iter().map(|(_, text)| text.as_str()).collect();
        text.trim_end().to_owned()
    }

    /// With colours.
    pub fn coloured(&self) -> String {
        let mut out = String::new();
        for (tone, text) in &self.spans {
            match tone.sgr() {
                Some(code) if !text.trim().is_empty() => {
                    let _ = write!(out, "\x1b[{code}m{text}\x1b[0m");
                }
                _ => out.push_str(text),
            }
        }
        out.trim_end().to_owned()
    }

    /// No wider than that: what is cut off becomes `…`.
    #[must_use]
    pub fn cut(self, columns: usize) -> Self {
        if self.width() <= columns {
            return self;
        }
        let mut cut = Self::new();
        let mut left = columns.saturating_sub(1);
        for (tone, text) in self.spans {
            let mut kept = String::new();
            for c in text.chars() {
                let wide = c.to_string().width();
                if wide > left {
                    cut.spans.push((tone, kept));
                    cut.spans.push((Tone::Dim, "…".to_owned()));
                    return cut;
                }
                left -= wide;
                kept.push(c);
            }
            cut.spans.push((tone, kept));
        }
        cut
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self::plain(text)
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows whose cells stand below each other, three blanks apart.
pub fn table(rows: Vec<Vec<Line>>, columns: &[Column]) -> Vec<Line> {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(Line::width)
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let row = |cells: Vec<Line>| {
        let mut line = Line::new();
        let mut at = 0;
        for (place, cell) in cells.into_iter().enumerate() {
            let width = widths.get(place).copied().unwrap_or(0);
            if columns.get(place) == Some(&Column::Right) {
                line.pad(at + width.saturating_sub(cell.width()));
            }
            line.append(cell);
            at += width;
            line.pad(at);
            at = line.width().max(at) + 3;
            line.pad(at);
        }
        line
    };
    rows.into_iter().map(row).collect()
}

/// Words in lines of at most that many columns; a longer word stands alone.
pub fn wrapped(text: &str, columns: Option<usize>) -> Vec<String> {
    let text = escaped(text);
    let Some(columns) = columns else {
        return vec![text];
    };
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is always one");
        if last.is_empty() {
            last.push_str(word);
        } else if last.width() + 1 + word.width() <= columns {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_drives_the_terminal() {
        let nasty = "a\u{1b}[31mb\nc\u{9b}2J\u{202e}d";
        let line = Line::of(Tone::Bad, nasty);
        assert_eq!(line.text(), "a\\u{1b}[31mb\\nc\\u{9b}2J\\u{202e}d");
        assert_eq!(line.coloured().matches('\x1b').count(), 2, "ours alone");
        assert_eq!(wrapped("a\nb", None), ["a\\nb"]);
        let mut bytes = Line::new();
        bytes.push_bytes(Tone::Plain, &[b'x', 0xff]);
        assert_eq!(bytes.text(), "x\\xff");
    }

    #[test]
    fn cells_stand_below_each_other() {
        let row = |cells: [&str; 3]| cells.map(Line::plain).to_vec();
        let rows = vec![
            row(["NAME", "LAG", "WHY"]),
            row(["a", "12", "slow"]),
            row(["漢字", "-", ""]),
        ];
        let lines: Vec<String> = table(rows, &[Column::Left, Column::Right, Column::Left])
            .iter()
            .map(Line::text)
            .collect();
        assert_eq!(
            lines,
            ["NAME   LAG   WHY", "a       12   slow", "漢字     -"]
        );
    }

    #[test]
    fn lines_are_cut_and_wrapped() {
        assert_eq!(Line::plain("abcdef").cut(4).text(), "abc…");
        assert_eq!(Line::plain("abcd").cut(4).text(), "abcd");
        assert_eq!(wrapped("one two three", Some(7)), ["one two", "three"]);
        assert_eq!(wrapped("exceedingly a", Some(3)), ["exceedingly", "a"]);
    }
}
