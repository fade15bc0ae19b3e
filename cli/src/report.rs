//! What a check found. Pure. In: verdicts with their hints. Out: lines in sections or a document, and whether anything failed.

use serde_json::{Value, json};

use crate::text::{Line, Tone};

/// How a question was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, and should be looked at.
    Warning,
    /// It does not work.
    Failed,
    /// It could not be asked.
    Skipped,
}

impl Verdict {
    /// Its word in a document.
    fn word(self) -> &'static str {
        match self {
            Self::Good => "Good",
            Self::Warning => "Warning",
            Self::Failed => "Failed",
            Self::Skipped => "Skipped",
        }
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// How it was answered.
    pub verdict: Verdict,
    /// What was found.
    pub text: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Everything that was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    sections: Vec<(&'static str, Vec<Item>)>,
}

impl Report {
    /// What follows is about this.
    pub fn section(&mut self, title: &'static str) {
        self.sections.push((title, Vec::new()));
    }

    /// Another answer.
    pub fn add(&mut self, verdict: Verdict, text: impl Into<String>, hint: Option<&str>) {
        if self.sections.is_empty() {
            self.section("");
        }
        let item = Item {
            verdict,
            text: text.into(),
            hint: hint.map(str::to_owned),
        };
        if let Some((_, items)) = self.sections.last_mut() {
            items.push(item);
        }
    }

    /// As it should be.
    pub fn good(&mut self, text: impl Into<String>) {
        self.add(Verdict::Good, text, None);
    }

    /// It does not work.
    pub fn failed(&mut self, text: impl Into<String>, hint: &str) {
        self.add(Verdict::Failed, text, Some(hint));
    }

    /// It works, and should be looked at.
    pub fn warning(&mut self, text: impl Into<String>, hint: &str) {
        self.add(Verdict::Warning, text, Some(hint));
    }

    /// It could not be asked.
    pub fn skipped(&mut self, text: impl Into<String>) {
        self.add(Verdict::Skipped, text, None);
    }

    /// So many answers of a kind.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.sections
            .iter()
            .flat_map(|(_, items)| items)
            .filter(|item| item.verdict == verdict)
            .count()
    }

    /// The same as a document: `{sections: [{title, checks: [{verdict, text, hint}]}], good, warnings, failed, skipped}`.
    pub fn value(&self) -> Value {
        let check = |item: &Item| json!({"verdict": item.verdict.word(), "text": item.text, "hint": item.hint});
        let section = |(title, items): &(&str, Vec<Item>)| json!({"title": title, "checks": items.iter().map(check).collect::<Vec<_>>()});
        json!({
            "sections": self.sections.iter().map(section).collect::<Vec<_>>(),
            "good": self.count(Verdict::Good), "warnings": self.count(Verdict::Warning),
            "failed": self.count(Verdict::Failed), "skipped": self.count(Verdict::Skipped),
        })
    }

    /// What is printed.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for (title, items) in &self.sections {
            lines.push(Line::of(Tone::Strong, title));
            for item in items {
                let (tone, glyph) = match item.verdict {
                    Verdict::Good => (Tone::Good, "✔"),
                    Verdict::Warning => (Tone::Warn, "⚠"),
                    Verdict::Failed => (Tone::Bad, "✘"),
                    Verdict::Skipped => (Tone::Dim, "○ skipped:"),
                };
                lines.push(Line::of(tone, &format!("  {glyph} ")).and(Tone::Plain, &item.text));
                for hint in item.hint.iter().flat_map(|hint| hint.lines()) {
                    lines.push(Line::of(Tone::Strong, &format!("    {hint}")));
                }
            }
        }
        let counts = [
            (Verdict::Failed, "failed"),
            (Verdict::Warning, "to be looked at"),
            (Verdict::Skipped, "skipped"),
        ];
        let said: Vec<String> = counts
            .iter()
            .map(|(verdict, word)| (self.count(*verdict), word))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let (tone, glyph) = match (self.count(Verdict::Failed), self.count(Verdict::Warning)) {
            (0, 0) => (Tone::Good, "✔"),
            (0, _) => (Tone::Warn, "⚠"),
            _ => (Tone::Bad, "✘"),
        };
        let good = format!("{} good", self.count(Verdict::Good));
        let all = std::iter::once(good)
            .chain(said)
            .collect::<Vec<_>>()
            .join(", ");
        lines.push(Line::new());
        lines.push(Line::of(tone, &format!("{glyph} {all}")));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_a_hint_below_what_failed() {
        let mut report = Report::default();
        report.section("Kubernetes");
        report.good("API server 1.34 answers");
        report.section("Operator");
        report.failed("there is none", "helm install ...\nas in the README");
        report.skipped("its rights: there is no operator");
        let lines: Vec<String> = report.lines().iter().map(Line::text).collect();
        let expected = [
            "Kubernetes",
            "  ✔ API server 1.34 answers",
            "Operator",
            "  ✘ there is none",
            "    helm install ...",
            "    as in the README",
            "  ○ skipped: its rights: there is no operator",
            "",
            "✘ 1 good, 1 failed, 1 skipped",
        ];
        assert_eq!(lines, expected);
        assert_eq!(report.count(Verdict::Failed), 1);
        let value = report.value();
        assert_eq!(
            (&value["good"], &value["failed"], &value["skipped"]),
            (&json!(1), &json!(1), &json!(1))
        );
        let missing = json!({"verdict": "Failed", "text": "there is none", "hint": "helm install ...\nas in the README"});
        assert_eq!(value["sections"][1]["checks"][0], missing);
        assert_eq!(value["sections"][0]["checks"][0]["hint"], Value::Null);
    }
}
