//! Groups of other applications in a status.

use std::sync::Arc;

use super::*;

#[test]
fn groups_of_other_applications_are_told_with_what_they_may_be_behind() {
    let mut world = two_groups();
    let other_groups = |topics: &[(&str, Option<i64>)]| OtherGroup {
        state: GroupState::Empty,
        protocol: Some(practice_contract::Protocol::Classic),
        members: Some(2),
        topics: topics
            .iter()
            .map(|(topic, lag)| ((*topic).to_owned(), *lag))
            .collect(),
    };
    let mut see = |other_groups: Option<Vec<(String, OtherGroup)>>| {
        world.kafka(|look| {
            look.other_groups = other_groups.map(|all| Arc::new(all.into_iter().collect()));
        });
        let before = world.before.clone();
        let status = world.status();
        (before.map(|before| news(Some(&before), &status)), status)
    };
    let (_, status) = see(None);
    assert_eq!(
        (status.other_groups.len(), status.other_group_count),
        (0, None)
    );
    let (said, status) = see(Some(Vec::new()));
    assert_eq!(
        (said, status.other_group_count),
        (Some(News::None), Some(0)),
        "none is never the reason to write"
    );
    let others = [
        (
            "billing".to_owned(),
            other_groups(&[("t", Some(7)), ("of-another-practice", Some(1))]),
        ),
        (
            "elsewhere".to_owned(),
            other_groups(&[("of-another-practice", Some(1))]),
        ),
        ("a".to_owned(), other_groups(&[("t", Some(1))])),
    ];
    let (said, status) = see(Some(others.to_vec()));
    assert_eq!(said, Some(News::Meaning));
    let billing = OtherGroupStatus {
        name: "billing".into(),
        state: "Empty".into(),
        protocol: Some("Classic".into()),
        members: Some(2),
        topics: vec!["t".into()],
        lag: Some(7),
        upper_bound: true,
    };
    assert_eq!(
        (status.other_groups, status.other_group_count),
        (vec![billing.clone()], Some(1)),
        "`a` is the practice's own"
    );
    let (said, _) = see(Some(vec![(
        "billing".to_owned(),
        other_groups(&[("t", Some(9))]),
    )]));
    assert_eq!(said, Some(News::Numbers));
    // an operator that has just started has not asked yet
    let (said, status) = see(None);
    assert_eq!(
        (said, status.other_group_count),
        (Some(News::None), Some(1))
    );
    let (said, status) = see(Some(vec![(
        "billing".to_owned(),
        other_groups(&[("t", Some(0))]),
    )]));
    assert_eq!(
        (said, status.other_groups[0].upper_bound),
        (Some(News::Meaning), false),
        "nothing is nothing"
    );
    let silent = OtherGroup {
        state: GroupState::Unknown,
        members: None,
        ..other_groups(&[("t", None)])
    };
    let (_, status) = see(Some(vec![("billing".to_owned(), silent)]));
    let billing = &status.other_groups[0];
    assert_eq!(
        (
            billing.state.as_str(),
            billing.members,
            billing.lag,
            billing.upper_bound
        ),
        ("Unknown", None, None, true)
    );
    assert_eq!(
        status.other_group_count,
        Some(1),
        "its coordinator did not answer: it is there all the same"
    );
    let many = (0..200).map(|number| (format!("app-{number:03}"), other_groups(&[("t", None)])));
    let (_, status) = see(Some(many.collect()));
    assert_eq!(
        (status.other_groups.len(), status.other_group_count),
        (20, Some(200))
    );
    assert_eq!(
        (
            status.other_groups[19].name.as_str(),
            status.other_groups[19].lag
        ),
        ("app-019", None)
    );
    world.outage(KafkaError::Refused);
    let status = world.status();
    assert_eq!(
        (status.other_groups.len(), status.other_group_count),
        (20, Some(200)),
        "out of sight is not gone"
    );
    assert!(
        status
            .other_groups
            .iter()
            .all(|group| group.lag.is_none() && group.state == "Unknown")
    );
    assert!(
        status
            .other_groups
            .iter()
            .all(|group| group.members.is_none())
    );
}
