//! Real names of a practice, its topics and groups, in place of those of the sample. A text marks a name of the sample with braces:
//! `{my-topic}`.

use std::collections::BTreeMap;

/// Real names by the name in the sample. A name without an entry is real.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// These names of the sample, each with its real name.
    pub fn new(names: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(names.into_iter().collect())
    }

    /// With one more name.
    #[must_use]
    pub fn and(mut self, name: &str, real: &str) -> Self {
        self.0.insert(name.to_owned(), real.to_owned());
        self
    }

    /// The real name of one in the sample.
    pub fn real<'a>(&'a self, name: &'a str) -> &'a str {
        self.0.get(name).map_or(name, String::as_str)
    }

    /// A text with real names. Braces around anything but a name of the sample stay.
    pub fn fill(&self, text: &str) -> String {
        let fill = |text: String, (name, real): (&String, &String)| {
            text.replace(&format!("{{{name}}}"), real)
        };
        self.0.iter().fold(text.to_owned(), fill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_names_are_filled_and_other_braces_stay() {
        let names = [("t", "amy.t"), ("g", "amy.g")];
        let names = Names::new(names.map(|(name, real)| (name.to_owned(), real.to_owned())));
        assert_eq!(
            names.fill(r#"send -d '{"topic":"{t}"}' {g} {x} t"#),
            r#"send -d '{"topic":"amy.t"}' amy.g {x} t"#
        );
        assert_eq!((names.real("t"), names.real("u")), ("amy.t", "u"));
    }
}
