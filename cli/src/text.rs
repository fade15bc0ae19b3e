//! Text for a terminal. In: words with a tone. Out: lines, with colours or without. A [`Line`] escapes everything it gets, so
//! text from a manifest, from Kafka or from a log can neither control the terminal nor forge a line.
//! Deliberately absent: output (that is `screen`).

use std::fmt::Write;

use practice_contract::lines::escape;
use unicode_width::UnicodeWidthStr;

pub use practice_plan::predict::counted;

/// Tone of a word. A colour only repeats what the words beside it mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// No colour.
    #[default]
    Plain,
    /// Less important.
    Dim,
    /// More important.
    Strong,
    /// Healthy.
    Good,
    /// Needs attention.
    Warn,
    /// Broken.
    Bad,
    /// Colour that distinguishes items of a list, such as groups, by their index.
    Hue(usize),
}

/// SGR codes of cyan, magenta, blue, yellow, green, and of their bright variants.
const HUES: [u8; 10] = [36, 35, 34, 33, 32, 96, 95, 94, 93, 92];

impl Tone {
    /// Select Graphic Rendition code (ECMA-48).
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

/// One line of escaped words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    spans: Vec<(Tone, String)>,
}

/// Escapes characters that control a terminal.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text.as_bytes());
    out
}

impl Line {
    /// Empty line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Line without colours.
    pub fn plain(text: &str) -> Self {
        Self::of(Tone::Plain, text)
    }

    /// Line of one tone.
    pub fn of(tone: Tone, text: &str) -> Self {
        Self::new().and(tone, text)
    }

    /// Returns the line with words appended.
    #[must_use]
    pub fn and(mut self, tone: Tone, text: &str) -> Self {
        self.push(tone, text);
        self
    }

    /// Appends words.
    pub fn push(&mut self, tone: Tone, text: &str) {
        if !text.is_empty() {
            self.spans.push((tone, escaped(text)));
        }
    }

    /// Appends bytes that may be invalid UTF-8.
    pub fn push_bytes(&mut self, tone: Tone, bytes: &[u8]) {
        let mut text = String::with_capacity(bytes.len());
        escape(&mut text, bytes);
        self.spans.push((tone, text));
    }

    /// Appends another line's words.
    pub fn append(&mut self, other: Self) {
        self.spans.extend(other.spans);
    }

    /// Pads with blanks up to a column.
    pub fn pad(&mut self, column: usize) {
        let width = self.width();
        if width < column {
            self.spans.push((Tone::Plain, " ".repeat(column - width)));
        }
    }

    /// Pads with at least three blanks up to a column.
    pub fn gap(&mut self, column: usize) {
        self.pad(column.max(self.width() + 3));
    }

    /// Width in columns.
    pub fn width(&self) -> usize {
        self.spans.iter().map(|(_, text)| text.width()).sum()
    }

    /// Whether the line has no words.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Text without colours.
    pub fn text(&self) -> String {
        let text: String = self.spans.iter().map(|(_, text)| text.as_str()).collect();
        text.trim_end().to_owned()
    }

    /// Text with colours.
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

    /// Truncates to a width; `…` marks the cut.
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

/// Alignment of a table column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Aligns rows into columns, three blanks apart.
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

/// Wraps text to a width; a longer word gets its own line.
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
    fn control_characters_are_escaped() {
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
    fn columns_are_aligned() {
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
