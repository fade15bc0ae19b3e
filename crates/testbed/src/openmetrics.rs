//! A strict reader of the `OpenMetrics` text format 1.0: it reads what a program exposes by the specification, and refuses
//! where it breaks a rule. In: the text of `/metrics`. Out: its families with their samples, and their rows of a reference.
//! Deliberately absent: exemplars, timestamps, units and the types that nothing here exposes.

use std::{collections::BTreeSet, env, fs, ops::Range, path::Path};

/// All that was exposed.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposition {
    /// In their order.
    pub families: Vec<Family>,
}

/// One metric family.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// As its `TYPE` names it: a counter's without `_total`.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// Its HELP text.
    pub help: String,
    /// Its samples, in their order.
    pub samples: Vec<Sample>,
}

/// One line with a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// With its suffix.
    pub name: String,
    /// Names and values, in their order.
    pub labels: Vec<(String, String)>,
    /// The number.
    pub value: f64,
}

impl Sample {
    /// The value of a label; empty: it has none.
    pub fn label(&self, name: &str) -> &str {
        self.labels
            .iter()
            .find(|(label, _)| label == name)
            .map_or("", |(_, value)| value)
    }

    /// Name and labels but for a bucket's bound: what a histogram's samples have in common.
    fn series(&self) -> Vec<(String, String)> {
        self.labels
            .iter()
            .filter(|(name, _)| name != "le")
            .cloned()
            .collect()
    }
}

impl Exposition {
    /// Reads a whole exposition.
    ///
    /// # Errors
    /// The first rule that it breaks, with the line.
    pub fn read(text: &str) -> Result<Self, String> {
        let body = text
            .strip_suffix("# EOF\n")
            .ok_or("it does not end with `# EOF` and a line feed")?;
        let mut families: Vec<Family> = Vec::new();
        for line in body.lines() {
            let refuse = |why: &str| format!("{why}: `{line}`");
            if let Some(rest) = line.strip_prefix("# ") {
                let mut words = rest.splitn(3, ' ');
                let (what, name, text) =
                    (words.next(), words.next(), words.next().unwrap_or_default());
                let name = name
                    .filter(|name| is_name(name))
                    .ok_or_else(|| refuse("no legal name"))?;
                begin(&mut families, what.unwrap_or_default(), name, text)
                    .map_err(|why| refuse(&why))?;
            } else {
                let sample = sample(line).ok_or_else(|| refuse("no sample"))?;
                let family = families
                    .last_mut()
                    .ok_or_else(|| refuse("a sample before its family"))?;
                family.samples.push(sample);
            }
        }
        for family in &families {
            family
                .check()
                .map_err(|why| format!("{}: {why}", family.name))?;
        }
        Ok(Self { families })
    }

    /// Every sample of this name.
    pub fn samples<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.families
            .iter()
            .flat_map(|family| &family.samples)
            .filter(move |sample| sample.name == name)
    }

    /// A table's row for each family whose name begins with `prefix`: name, type, labels, help. The labels are those of its
    /// samples, so each family needs one.
    pub fn rows(&self, prefix: &str) -> String {
        let families = self
            .families
            .iter()
            .filter(|family| family.name.starts_with(prefix));
        families.map(Family::row).collect()
    }
}

impl Family {
    fn row(&self) -> String {
        let ending = if self.kind == "counter" { "_total" } else { "" };
        let mut labels: Vec<&str> = Vec::new();
        for (name, _) in self.samples.iter().flat_map(|sample| &sample.labels) {
            if name != "le" && !labels.contains(&name.as_str()) {
                labels.push(name);
            }
        }
        let help = self.help.trim_end_matches('.');
        format!(
            "| `{}{ending}` | {} | {} | {help} |\n",
            self.name,
            self.kind,
            labels.join(", ")
        )
    }

    fn check(&self) -> Result<(), String> {
        let suffixes: &[&str] = match self.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            other => return Err(format!("of no type that is expected: `{other}`")),
        };
        if self.help.is_empty() {
            return Err("has no HELP text".to_owned());
        }
        if self.kind == "counter" && self.name.ends_with("_total") {
            return Err("the name of a counter's family has no _total".to_owned());
        }
        let mut seen = BTreeSet::new();
        for sample in &self.samples {
            let suffix = sample
                .name
                .strip_prefix(&self.name)
                .unwrap_or("of another family");
            if !suffixes.contains(&suffix) {
                return Err(format!("has a sample {}", sample.name));
            }
            if sample.value.is_nan() || (self.kind != "gauge" && sample.value < 0.0) {
                return Err(format!("{} is {}", sample.name, sample.value));
            }
            let names: BTreeSet<&String> = sample.labels.iter().map(|(name, _)| name).collect();
            if names.len() < sample.labels.len()
                || sample.labels.iter().any(|(name, _)| !is_name(name))
            {
                return Err(format!("labels of {}: {:?}", sample.name, sample.labels));
            }
            let mut labels = sample.labels.clone();
            labels.sort();
            if !seen.insert((sample.name.clone(), labels)) {
                return Err(format!("twice: {} {:?}", sample.name, sample.labels));
            }
        }
        if self.kind == "histogram" {
            self.check_buckets()
        } else {
            Ok(())
        }
    }

    /// Buckets grow, and the last one, up to infinity, is the count.
    fn check_buckets(&self) -> Result<(), String> {
        let ending = |suffix: &'static str| {
            self.samples
                .iter()
                .filter(move |sample| sample.name.ends_with(suffix))
        };
        for count in ending("_count") {
            let series = count.series();
            let buckets = ending("_bucket").filter(|bucket| bucket.series() == series);
            let bounds: Vec<(f64, f64)> = buckets
                .map(|bucket| (bucket.label("le").parse().unwrap_or(f64::NAN), bucket.value))
                .collect();
            let grow = bounds
                .windows(2)
                .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
            if !grow || bounds.last() != Some(&(f64::INFINITY, count.value)) {
                return Err(format!(
                    "buckets of {series:?}: {bounds:?}, count {}",
                    count.value
                ));
            }
        }
        Ok(())
    }
}

/// Takes in a line of metadata: a family begins with the first of it.
fn begin(families: &mut Vec<Family>, what: &str, name: &str, text: &str) -> Result<(), String> {
    let is_new = families.last().is_none_or(|last| last.name != name);
    if is_new && families.iter().any(|family| family.name == name) {
        return Err("a family in two parts".to_owned());
    }
    if is_new {
        let (name, kind, help) = (name.to_owned(), String::new(), String::new());
        families.push(Family {
            name,
            kind,
            help,
            samples: Vec::new(),
        });
    }
    let Some(family) = families
        .last_mut()
        .filter(|family| family.samples.is_empty())
    else {
        return Err("metadata after samples".to_owned());
    };
    let field = match what {
        "HELP" => &mut family.help,
        "TYPE" => &mut family.kind,
        _ => return Err("metadata of another sort".to_owned()),
    };
    if !field.is_empty() {
        return Err("appears twice".to_owned());
    }
    text.clone_into(field);
    Ok(())
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = value.strip_prefix(' ')?.parse().ok()?;
    is_name(name).then(|| Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// What stands between braces, and what comes after them.
fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        if !labels.is_empty() {
            rest = rest.strip_prefix(',')?;
        }
        let (name, after) = rest.split_once("=\"")?;
        let (mut value, mut characters) = (String::new(), after.char_indices());
        let end = loop {
            match characters.next()? {
                (end, '"') => break end,
                (_, '\\') => value.push(match characters.next()?.1 {
                    'n' => '\n',
                    literal @ ('"' | '\\') => literal,
                    _ => return None,
                }),
                (_, '\n') => return None,
                (_, literal) => value.push(literal),
            }
        };
        labels.push((name.to_owned(), value));
        rest = &after[end + 1..];
    }
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Holds the table of series under a heading of `docs/metrics.md` to `rows`, those of [`Exposition::rows`]. With `UPDATE_DOCS` in
/// the environment it writes them there instead (`make docs`).
///
/// # Panics
/// The table is another one, or there is none.
pub fn reference(heading: &str, rows: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let there = table(&page, heading);
    if env::var_os("UPDATE_DOCS").is_some() {
        let written = [&page[..there.start], rows, &page[there.end..]].concat();
        fs::write(&path, written).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    } else {
        assert_eq!(
            &page[there], rows,
            "{heading} of docs/metrics.md differs from the code: run `make docs`"
        );
    }
}

/// Where in a page the rows are of the first table under a heading.
fn table(page: &str, heading: &str) -> Range<usize> {
    const HEAD: &str = "\n| series | type | labels | |\n|---|---|---|---|\n";
    let under = page
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no heading {heading}"));
    let section = page[under + 1..].split("\n#").next().unwrap_or_default();
    let head = section
        .find(HEAD)
        .unwrap_or_else(|| panic!("no table of series under {heading}"));
    let start = under + 1 + head + HEAD.len();
    let rows = page[start..]
        .split_inclusive('\n')
        .take_while(|line| line.starts_with('|'));
    start..start + rows.map(str::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
# HELP a_b Of a to b.
# TYPE a_b counter
a_b_total{x=\"1\",y=\"\\\"q\\\"\"} 3
a_b_total{x=\"2\",y=\"\"} 0
# HELP t_seconds Time.
# TYPE t_seconds histogram
t_seconds_sum 1.5
t_seconds_count 2
t_seconds_bucket{le=\"0.5\"} 1
t_seconds_bucket{le=\"+Inf\"} 2
# HELP g Now.
# TYPE g gauge
# EOF
";

    #[test]
    fn what_keeps_the_rules_is_read_and_has_rows() {
        let read = Exposition::read(GOOD).expect("it is well formed");
        assert_eq!(read.families.len(), 3);
        let first = read.samples("a_b_total").next().expect("a sample");
        assert_eq!(
            (first.label("y"), first.label("z"), first.value.to_bits()),
            ("\"q\"", "", 3.0_f64.to_bits())
        );
        let rows = "| `a_b_total` | counter | x, y | Of a to b |\n";
        assert_eq!(read.rows("a_"), rows);
        assert_eq!(read.rows("t_"), "| `t_seconds` | histogram |  | Time |\n");
    }

    #[test]
    fn the_table_under_a_heading_is_found_and_no_other() {
        let head = "| series | type | labels | |\n|---|---|---|---|\n";
        let page = format!(
            "# P\n\n## Other\n\n{head}| z |\n\n## A\n\ntext\n\n{head}| a |\n| b |\n\n| c |\n\n## None\n\n## B\n\n{head}"
        );
        assert_eq!(&page[table(&page, "## A")], "| a |\n| b |\n");
        assert_eq!(&page[table(&page, "## B")], "", "it ends with the page");
        for heading in ["## None", "## C"] {
            assert!(
                std::panic::catch_unwind(|| table(&page, heading)).is_err(),
                "{heading}"
            );
        }
    }

    #[test]
    fn what_breaks_a_rule_is_refused() {
        let changed = |from: &str, to: &str| {
            assert!(GOOD.contains(from), "{from}");
            Exposition::read(&GOOD.replacen(from, to, 1)).expect_err(to)
        };
        for (from, to, why) in [
            ("# EOF\n", "", "# EOF"),
            ("# EOF\n", "# EOF\n\n", "# EOF"),
            ("a_b_total{x=\"2\"", "a_b{x=\"2\"", "has a sample a_b"),
            (
                "# TYPE a_b counter",
                "# TYPE a_b gauge",
                "has a sample a_b_total",
            ),
            ("# TYPE a_b counter\n", "", "of no type"),
            ("# HELP a_b Of a to b.\n", "", "no HELP"),
            ("x=\"2\",y=\"\"", "x=\"1\",y=\"\\\"q\\\"\"", "twice"),
            ("x=\"2\",y=\"\"", "x=\"2\",x=\"\"", "labels"),
            ("} 3", "} NaN", "NaN"),
            ("} 3", "} -1", "-1"),
            ("} 3", "} many", "no sample"),
            ("{le=\"+Inf\"} 2", "{le=\"+Inf\"} 3", "buckets"),
            ("{le=\"0.5\"} 1", "{le=\"0.5\"} 5", "buckets"),
            (
                "# TYPE g gauge\n",
                "# TYPE g gauge\n# HELP a_b Again.\n",
                "in two parts",
            ),
            (
                "# TYPE g gauge\n",
                "# TYPE g gauge\ng 1\n# HELP g Late.\n",
                "after samples",
            ),
            ("# HELP g Now.", "# HELP 7g Now.", "no legal name"),
            ("# HELP g Now.", "g 1", "has a sample g"),
        ] {
            let text = changed(from, to);
            assert!(text.contains(why), "{to}: {text}, expected {why}");
        }
    }
}
