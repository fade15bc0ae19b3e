//! Report of `check`. Pure. In: results with hints. Out: lines in sections or a document, and the number of failures.

use serde_json::{Value, json};

use crate::text::{Line, Tone};

/// Result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckResult {
    /// The check passed.
    Good,
    /// The check passed, but something needs attention.
    Warning,
    /// The check failed.
    Failed,
    /// The check could not run.
    Skipped,
}

impl CheckResult {
    /// Value in a document.
    fn word(self) -> &'static str {
        match self {
            Self::Good => "Good",
            Self::Warning => "Warning",
            Self::Failed => "Failed",
            Self::Skipped => "Skipped",
        }
    }
}

/// One check with its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Result of the check.
    pub result: CheckResult,
    /// Finding.
    pub text: String,
    /// Fix, of one or several lines.
    pub hint: Option<String>,
}

/// Results of all checks, in sections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    sections: Vec<(&'static str, Vec<Item>)>,
}

impl Report {
    /// Starts a section.
    pub fn section(&mut self, title: &'static str) {
        self.sections.push((title, Vec::new()));
    }

    /// Adds a result to the last section.
    pub fn add(&mut self, result: CheckResult, text: impl Into<String>, hint: Option<&str>) {
        if self.sections.is_empty() {
            self.section("");
        }
        let item = Item {
            result,
            text: text.into(),
            hint: hint.map(str::to_owned),
        };
        if let Some((_, items)) = self.sections.last_mut() {
            items.push(item);
        }
    }

    /// Adds a passed check.
    pub fn good(&mut self, text: impl Into<String>) {
        self.add(CheckResult::Good, text, None);
    }

    /// Adds a failed check.
    pub fn failed(&mut self, text: impl Into<String>, hint: &str) {
        self.add(CheckResult::Failed, text, Some(hint));
    }

    /// Adds a warning.
    pub fn warning(&mut self, text: impl Into<String>, hint: &str) {
        self.add(CheckResult::Warning, text, Some(hint));
    }

    /// Adds a skipped check.
    pub fn skipped(&mut self, text: impl Into<String>) {
        self.add(CheckResult::Skipped, text, None);
    }

    /// Number of checks with this result.
    pub fn count(&self, result: CheckResult) -> usize {
        self.sections
            .iter()
            .flat_map(|(_, items)| items)
            .filter(|item| item.result == result)
            .count()
    }

    /// The report as a document: `{sections: [{title, checks: [{result, text, hint}]}], good, warnings, failed, skipped}`.
    pub fn value(&self) -> Value {
        let check = |item: &Item| json!({"result": item.result.word(), "text": item.text, "hint": item.hint});
        let section = |(title, items): &(&str, Vec<Item>)| json!({"title": title, "checks": items.iter().map(check).collect::<Vec<_>>()});
        json!({
            "sections": self.sections.iter().map(section).collect::<Vec<_>>(),
            "good": self.count(CheckResult::Good), "warnings": self.count(CheckResult::Warning),
            "failed": self.count(CheckResult::Failed), "skipped": self.count(CheckResult::Skipped),
        })
    }

    /// The report as lines.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for (title, items) in &self.sections {
            lines.push(Line::of(Tone::Strong, title));
            for item in items {
                let (tone, glyph) = match item.result {
                    CheckResult::Good => (Tone::Good, "✔"),
                    CheckResult::Warning => (Tone::Warn, "⚠"),
                    CheckResult::Failed => (Tone::Bad, "✘"),
                    CheckResult::Skipped => (Tone::Dim, "○ skipped:"),
                };
                lines.push(Line::of(tone, &format!("  {glyph} ")).and(Tone::Plain, &item.text));
                for hint in item.hint.iter().flat_map(|hint| hint.lines()) {
                    lines.push(Line::of(Tone::Strong, &format!("    {hint}")));
                }
            }
        }
        let counts = [
            (CheckResult::Failed, "failed"),
            (CheckResult::Warning, "to review"),
            (CheckResult::Skipped, "skipped"),
        ];
        let parts: Vec<String> = counts
            .iter()
            .map(|(result, word)| (self.count(*result), word))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let (tone, glyph) = match (
            self.count(CheckResult::Failed),
            self.count(CheckResult::Warning),
        ) {
            (0, 0) => (Tone::Good, "✔"),
            (0, _) => (Tone::Warn, "⚠"),
            _ => (Tone::Bad, "✘"),
        };
        let good = format!("{} good", self.count(CheckResult::Good));
        let all = std::iter::once(good)
            .chain(parts)
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
    fn report_prints_the_hint_below_a_failed_check() {
        let mut report = Report::default();
        report.section("Kubernetes");
        report.good("API server 1.34 answers");
        report.section("Operator");
        report.failed(
            "no operator is installed",
            "helm install ...\nas in the README",
        );
        report.skipped("rights of the operator: no operator is installed");
        let lines: Vec<String> = report.lines().iter().map(Line::text).collect();
        let expected = [
            "Kubernetes",
            "  ✔ API server 1.34 answers",
            "Operator",
            "  ✘ no operator is installed",
            "    helm install ...",
            "    as in the README",
            "  ○ skipped: rights of the operator: no operator is installed",
            "",
            "✘ 1 good, 1 failed, 1 skipped",
        ];
        assert_eq!(lines, expected);
        assert_eq!(report.count(CheckResult::Failed), 1);
        let value = report.value();
        assert_eq!(
            (&value["good"], &value["failed"], &value["skipped"]),
            (&json!(1), &json!(1), &json!(1))
        );
        let missing = json!({"result": "Failed", "text": "no operator is installed", "hint": "helm install ...\nas in the README"});
        assert_eq!(value["sections"][1]["checks"][0], missing);
        assert_eq!(value["sections"][0]["checks"][0]["hint"], Value::Null);
    }
}
