//! Names of Kubernetes objects and labels from names of Kafka, which may be longer and hold other characters. Pure: the
//! same input always gives the same name, and different inputs give different names (by a hash of the exact input).

use sha2::{Digest, Sha256};

/// Longest name of a Deployment: its pods append 16 characters and a label value ends at 63.
const LONGEST: usize = 47;
const HASH: usize = 5;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// `<practice>-<group>[-<variant>]`, legal or not.
pub(crate) fn plain(practice: &str, group: &str, variant: &str) -> String {
    match variant {
        "" => format!("{practice}-{group}"),
        _ => format!("{practice}-{group}-{variant}"),
    }
}

/// Whether a Deployment may be called that: a DNS label (RFC 1123) of at most 47 characters.
pub(crate) fn is_legal(name: &str) -> bool {
    name.len() <= LONGEST
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.is_empty()
}

/// A readable legal name that ends with a hash of the exact triple.
pub fn hashed(practice: &str, group: &str, variant: &str) -> String {
    let readable = slug(
        &plain(practice, group, variant).to_ascii_lowercase(),
        LONGEST - HASH - 1,
        false,
    );
    format!("{readable}-{}", hash(&[practice, group, variant]))
}

/// A name for an object that exists once per group: plain where that is legal, otherwise hashed.
pub(crate) fn unique(practice: &str, group: &str) -> String {
    let plain = plain(practice, group, "");
    if is_legal(&plain) {
        plain
    } else {
        hashed(practice, group, "")
    }
}

/// A label value for a group id: the id itself where that is legal (at most 63 of `[A-Za-z0-9._-]`, alphanumeric at both
/// ends), otherwise a slug and a hash.
pub(crate) fn label(group: &str) -> String {
    let edges = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let legal = group.len() <= 63
        && edges(group.chars().next())
        && edges(group.chars().last())
        && group
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if legal {
        group.to_owned()
    } else {
        format!("{}-{}", slug(group, 63 - HASH - 1, true), hash(&[group]))
    }
}

fn slug(text: &str, longest: usize, capitals: bool) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            'A'..='Z' if capitals => slug.push(c),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(longest);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        "x".to_owned()
    } else {
        slug.to_owned()
    }
}

/// A hash of these parts, 5 characters of base 32 (SHA-256, so stable across toolchains).
pub fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    hasher
        .finalize()
        .iter()
        .take(HASH)
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_legal_and_stable() {
        assert_eq!(
            unique("practice-3", "my-consumer-group-1"),
            "practice-3-my-consumer-group-1"
        );
        assert_eq!(hashed("p", "My.Group", ""), hashed("p", "My.Group", ""));
        let long = "x".repeat(249);
        for group in ["My.Group", "my_group", "...", "-", &long, "A", "a"] {
            let name = hashed(&"p".repeat(40), group, "variant");
            assert!(is_legal(&name), "{name}");
            assert_ne!(hashed("p", group, ""), hashed("p", "other", ""));
        }
        assert_ne!(hashed("p", "a-b", ""), hashed("p", "a", "b"));
        assert_ne!(hashed("p", "A", ""), hashed("p", "a", ""));
    }

    #[test]
    fn a_group_label_is_the_id_where_it_can_be() {
        assert_eq!(label("my.Group_1"), "my.Group_1");
        for odd in ["-a", "a.", "_", &"x".repeat(64)] {
            let label = label(odd);
            assert!(label.len() <= 63 && label != odd, "{label}");
            assert!(
                label.starts_with(|c: char| c.is_ascii_alphanumeric()),
                "{label}"
            );
        }
    }
}
