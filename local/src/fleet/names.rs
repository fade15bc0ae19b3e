//! Names of consumers: `my-consumer-group-1-a`, `my-consumer-group-2-slow-b`. Pure. In: a plan. Out: for each row a unique
//! prefix of its consumers' names.

use practice_plan::plan::{GroupPlan, Plan, RowPlan};

/// Longest prefix: a log file's name has at most 255 bytes.
const LONGEST: usize = 240;
/// Length of the hash at the end of a Deployment's name, which makes long or ambiguous names unique.
const HASH: usize = 5;

/// Prefix of the names of a row's consumers.
pub(super) fn stem(plan: &Plan, group: &GroupPlan, row: &RowPlan) -> String {
    let whole = plain_name(group, row);
    let rows = plan
        .groups
        .iter()
        .flat_map(|group| group.rows.iter().map(move |row| (group, row)));
    let unique = rows
        .filter(|(group, row)| plain_name(group, row) == whole)
        .count()
        == 1;
    if unique && whole.len() <= LONGEST {
        return whole;
    }
    // a group's name is ASCII; a Deployment with another name than its row ends with a hash of the exact names
    let deployment = &row.deployment;
    let hash = &deployment[deployment.len().saturating_sub(HASH)..];
    format!("{}-{hash}", &whole[..whole.len().min(LONGEST - HASH - 1)])
}

fn plain_name(group: &GroupPlan, row: &RowPlan) -> String {
    if row.variant.is_empty() {
        group.id.clone()
    } else {
        format!("{}-{}", group.id, row.variant)
    }
}

/// `a`, `b`, ... `z`, `aa`, `ab`, ...
pub(super) fn letters(number: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = number + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(b'a' + u8::try_from(rest % 26).unwrap_or_default());
        rest /= 26;
    }
    letters
        .iter()
        .rev()
        .map(|letter| char::from(*letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use practice_plan::{plan::Defaults, plan::plan};
    use serde_json::json;

    use super::*;

    #[test]
    fn letters_after_z_are_pairs() {
        assert_eq!(
            [0, 1, 25, 26, 27, 51, 52, 99].map(letters),
            ["a", "b", "z", "aa", "ab", "az", "ba", "cv"]
        );
        assert_eq!((0..2000).map(letters).collect::<BTreeSet<_>>().len(), 2000);
    }

    #[test]
    fn prefixes_are_unique_and_fit_a_file_name() {
        let long = "x".repeat(249);
        let practice = serde_json::from_value(json!({
            "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice", "metadata": {"name": "p"},
            "spec": {"topics": [{"name": "t"}], "groups": [
                {"name": "g", "variants": [{"name": "slow"}]}, {"name": "g-slow"}, {"name": long, "variants": [{"name": "v"}]}]}
        }))
        .expect("a practice");
        let defaults = Defaults {
            bootstrap_servers: Some("k:1".into()),
            ..Defaults::default()
        };
        let plan = plan(&practice, &defaults).expect("legal");
        let stems: Vec<String> = plan
            .groups
            .iter()
            .flat_map(|group| group.rows.iter().map(|row| stem(&plan, group, row)))
            .collect();
        assert_eq!(stems.iter().collect::<BTreeSet<_>>().len(), 5, "{stems:?}");
        assert_eq!(stems[0], "g");
        assert!(stems.iter().all(|stem| stem.len() <= LONGEST), "{stems:?}");
        assert!(
            stems[1].starts_with("g-slow-") && stems[2].starts_with("g-slow-"),
            "{stems:?}"
        );
    }
}
