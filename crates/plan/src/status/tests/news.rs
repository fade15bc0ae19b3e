//! A table of which changes of a status have a meaning and which only have other numbers.

use super::*;

#[test]
fn news_is_what_means_something() {
    type Change = fn(&mut PracticeStatus);
    let before = {
        let mut world = two_groups();
        world.group("a", |g| {
            g.committed
                .as_mut()
                .expect("set")
                .get_mut(("t", 0))
                .expect("set")
                .offset = 4;
        });
        world.status()
    };
    assert_eq!(before.groups[0].lag, Some(6));
    let cases: [(&str, Change, News); 13] = [
        ("nothing", |_| {}, News::None),
        ("6 -> 7", |s| s.groups[0].lag = Some(7), News::Numbers),
        (
            "6 -> 1 everywhere",
            |s| {
                (s.groups[0].lag, s.summary.lag, s.groups[0].members[0].lag) =
                    (Some(1), Some(1), Some(1));
            },
            News::Numbers,
        ),
        (
            "an offset moved",
            |s| s.groups[0].members[0].partitions[0].committed = Some(5),
            News::Numbers,
        ),
        (
            "the end moved",
            |s| s.groups[0].members[0].partitions[0].end = Some(50),
            News::Numbers,
        ),
        ("6 -> 0", |s| s.groups[0].lag = Some(0), News::Meaning),
        ("0 -> 6", |s| s.groups[1].lag = Some(6), News::Meaning),
        ("6 -> unknown", |s| s.groups[0].lag = None, News::Meaning),
        (
            "a partition becomes unknown",
            |s| s.groups[0].members[0].partitions[0].lag = None,
            News::Meaning,
        ),
        (
            "the first commit",
            |s| s.groups[0].members[0].partitions[0].committed = None,
            News::Meaning,
        ),
        (
            "the sum becomes unknown",
            |s| s.summary.lag = None,
            News::Meaning,
        ),
        (
            "a partition moves",
            |s| drop(s.groups[0].members[0].partitions.pop()),
            News::Meaning,
        ),
        (
            "a condition turns",
            |s| s.conditions[0].status = "Unknown".into(),
            News::Meaning,
        ),
    ];
    for (what, change, expected) in cases {
        let mut after = before.clone();
        change(&mut after);
        assert_eq!(news(Some(&before), &after), expected, "{what}");
    }
    assert_eq!(news(None, &before), News::Meaning);
}
