//! The lines that a worker prints, so that its log alone has the whole sequence of events. Pure text: no output here.

use std::fmt::Write;

/// Longest value (and key) printed, in bytes of the original; a longer one is cut and its length printed.
pub const LONGEST_VALUE: usize = 8 * 1024;

/// Appends `Message Info: topic T - partition [P] @ offset O`: the message is taken in hand.
pub fn taken(out: &mut String, topic: &str, partition: i32, offset: i64) {
    let _ = writeln!(
        out,
        "Message Info: topic {topic} - partition [{partition}] @ offset {offset}"
    );
}

/// Appends `Received message: key=K & value=V`: the message is done. A missing key or value is `None`, as in the original.
pub fn done(out: &mut String, key: Option<&[u8]>, value: Option<&[u8]>) {
    out.push_str("Received message: key=");
    payload(out, key);
    out.push_str(" & value=");
    payload(out, value);
    out.push('\n');
}

/// Appends `assigned [T/0 T/1]`, `revoked [...]` or `lost [...]`.
pub fn ownership<'a>(
    out: &mut String,
    what: &str,
    partitions: impl IntoIterator<Item = (&'a str, i32)>,
) {
    let _ = write!(out, "{what} [");
    for (i, (topic, partition)) in partitions.into_iter().enumerate() {
        let _ = write!(out, "{}{topic}/{partition}", if i == 0 { "" } else { " " });
    }
    out.push_str("]\n");
}

fn payload(out: &mut String, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else {
        return out.push_str("None");
    };
    let shown = &bytes[..bytes.len().min(LONGEST_VALUE)];
    escape(out, shown);
    if shown.len() < bytes.len() {
        let _ = write!(out, "... ({} bytes)", bytes.len());
    }
}

/// Appends text with everything escaped that could forge a line or drive a terminal: C0 and C1 controls, bidirectional
/// formatting, line and paragraph separators, the byte order mark; bytes that are not UTF-8 as `\xNN`.
pub fn escape(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                ' '..='~' => out.push(c),
                c if c.is_control() || is_formatting(c) => {
                    let _ = write!(out, "\\u{{{:x}}}", c as u32);
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

/// Bidirectional controls (Unicode UAX 9), separators U+2028 and U+2029, zero-width characters and U+FEFF.
fn is_formatting(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn lines_of_the_original() {
        assert_eq!(
            line(|out| taken(out, "my-topic", 2, 41)),
            "Message Info: topic my-topic - partition [2] @ offset 41\n"
        );
        assert_eq!(
            line(|out| done(out, Some(b"k"), Some(b"v"))),
            "Received message: key=k & value=v\n"
        );
        assert_eq!(
            line(|out| done(out, None, None)),
            "Received message: key=None & value=None\n"
        );
        assert_eq!(
            line(|out| ownership(out, "assigned", [("t", 0), ("t", 1)])),
            "assigned [t/0 t/1]\n"
        );
        assert_eq!(line(|out| ownership(out, "revoked", [])), "revoked []\n");
    }

    #[test]
    fn nothing_forges_a_line_or_drives_a_terminal() {
        let nasty = "a\u{1b}[31m\n\r\t\u{9b}2J\u{202e}x\u{2028}y\u{feff}\u{7f}é漢".as_bytes();
        let shown = line(|out| escape(out, nasty));
        assert_eq!(
            shown,
            "a\\u{1b}[31m\\n\\r\\t\\u{9b}2J\\u{202e}x\\u{2028}y\\u{feff}\\u{7f}é漢"
        );
        assert_eq!(line(|out| escape(out, &[b'a', 0xff, 0xc3])), "a\\xff\\xc3");
    }

    #[test]
    fn long_values_are_cut_and_say_so() {
        let long = vec![b'x'; LONGEST_VALUE + 1];
        let shown = line(|out| done(out, None, Some(&long)));
        assert!(
            shown.ends_with(&format!("x... ({} bytes)\n", LONGEST_VALUE + 1)),
            "{}",
            &shown[shown.len() - 40..]
        );
        assert!(shown.len() < LONGEST_VALUE + 100);
    }
}
