//! A table of when the number of consumers is set, kept or handed over to another client.

use super::*;

#[test]
fn a_group_without_replicas_leaves_the_number_to_others() {
    let objects = practice_3();
    assert!(
        !objects[3].body["spec"]
            .as_object()
            .expect("is one")
            .contains_key("replicas")
    );
    let plan = plan_of(serde_json::from_str(PRACTICE_3).expect("is JSON"));
    let hold = BTreeMap::from([("Odd_Group.".to_owned(), Hold::Stopped)]);
    let live = BTreeMap::from([(
        objects[3].name.clone(),
        LiveRow {
            replicas: 7,
            ours: false,
            before: None,
        },
    )]);
    let stopped = &super::objects(&plan, &hold, &BTreeMap::new(), &live)[3].body;
    assert_eq!(
        (
            &stopped["spec"]["replicas"],
            &stopped["metadata"]["annotations"][REPLICAS_BEFORE]
        ),
        (&json!(0), &json!("7"))
    );
}

#[test]
fn replicas_are_set_kept_or_handed_over() {
    let live = |replicas, ours, before| {
        Some(LiveRow {
            replicas,
            ours,
            before,
        })
    };
    let said = |set, before, hand_over| Replicas {
        set,
        before,
        hand_over,
    };
    for (wanted, held, live, expected) in [
        (Some(3), false, None, said(Some(3), None, None)),
        (
            Some(3),
            false,
            live(5, false, None),
            said(Some(3), None, None),
        ),
        (
            Some(3),
            true,
            live(3, true, None),
            said(Some(0), None, None),
        ),
        (None, false, None, said(None, None, None)),
        (None, false, live(4, false, None), said(None, None, None)),
        // taken out of the manifest: the live number goes into other hands
        (None, false, live(4, true, None), said(None, None, Some(4))),
        // held, and back
        (
            None,
            true,
            live(4, false, None),
            said(Some(0), Some(4), None),
        ),
        (
            None,
            true,
            live(0, true, Some(4)),
            said(Some(0), Some(4), None),
        ),
        (
            None,
            false,
            live(0, true, Some(4)),
            said(None, None, Some(4)),
        ),
        // scaled to 0 by its owner, held, and back
        (
            None,
            true,
            live(0, false, None),
            said(Some(0), Some(0), None),
        ),
        (
            None,
            true,
            live(0, true, Some(0)),
            said(Some(0), Some(0), None),
        ),
        (
            None,
            false,
            live(0, true, Some(0)),
            said(None, None, Some(0)),
        ),
        (None, false, live(0, false, None), said(None, None, None)),
        // held from its creation: its owner has not set a number yet
        (None, true, live(0, true, None), said(Some(0), None, None)),
        // never ran before it was claimed
        (None, true, None, said(Some(0), None, None)),
        (None, false, live(0, true, None), said(None, None, Some(1))),
    ] {
        assert_eq!(
            replicas(wanted, held, live),
            expected,
            "{wanted:?} {held} {live:?}"
        );
    }
}
