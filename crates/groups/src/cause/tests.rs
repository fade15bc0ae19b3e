use super::*;
use crate::witness::{End, Removal, Sight};
use practice_contract::Hold;

/// A group with one row.
#[derive(Clone)]
struct Scene {
    witness: Witness,
    now: i64,
}

impl Scene {
    /// Instances of row `r` that existed before the first observation, and as many replicas.
    fn with(names: &[&str]) -> Self {
        let mut scene = Self {
            witness: Witness::default(),
            now: 0,
        };
        for name in names {
            scene.witness.saw(name, sight("1"), false, 0);
        }
        scene.wants(i32::try_from(names.len()).expect("few"), None)
    }

    fn at(mut self, now: i64) -> Self {
        self.now = now;
        self
    }

    fn wants(mut self, number: i32, hold: Option<Hold>) -> Self {
        self.witness
            .wants("g", &[("r", number)].into(), hold, |_| false, self.now);
        self
    }

    fn comes(self, name: &str, revision: &str) -> Self {
        self.is(name, sight(revision))
    }

    fn is(mut self, name: &str, sight: Sight) -> Self {
        self.witness.saw(name, sight, true, self.now);
        self
    }

    fn goes(self, name: &str, removal: Removal) -> Self {
        let sight = self
            .witness
            .instance(name)
            .expect("it is there")
            .sight
            .clone();
        self.is(
            name,
            Sight {
                removal: Some(removal),
                ..sight
            },
        )
    }

    fn ends(self, name: &str, end: End) -> Self {
        let sight = self
            .witness
            .instance(name)
            .expect("it is there")
            .sight
            .clone();
        let ends = vec![(format!("at {}", self.now), end, true)];
        self.is(name, Sight { ends, ..sight })
    }

    fn lost(mut self, name: &str) -> Self {
        self.witness.lost(name, self.now);
        self
    }

    /// The explanation now for members that left and joined. A name with `'` had a member before.
    fn explain(&self, left: &[&str], joined: &[&str], waited: i64) -> Option<Explained> {
        let who = |name: &&str| ChangedMember {
            client: name.trim_end_matches('\'').to_owned(),
            since: i64::MIN,
            former: name.ends_with('\'').then_some(i64::MIN),
        };
        let noticed = self.now - waited;
        let (left, joined) = (
            left.iter().map(who).collect(),
            joined.iter().map(who).collect(),
        );
        cause(
            &MembershipChange {
                number: 1,
                noticed,
                blind: false,
                joined,
                left,
                added: Vec::new(),
            },
            "g",
            &self.witness,
            self.now,
        )
    }

    fn cause(&self, left: &[&str], joined: &[&str], waited: i64) -> Option<Cause> {
        self.explain(left, joined, waited).map(|why| why.cause)
    }
}

fn sight(revision: &str) -> Sight {
    Sight {
        row: "r".to_owned(),
        revision: revision.to_owned(),
        topics: "t".to_owned(),
        ..Sight::default()
    }
}

#[test]
fn the_replica_count_changes() {
    let scene = Scene::with(&["a", "b"])
        .at(1_000)
        .wants(4, None)
        .at(2_000)
        .comes("c", "1")
        .comes("d", "1");
    assert_eq!(scene.cause(&[], &["c"], 0), Some(Cause::ScaledUp));
    assert_eq!(scene.cause(&[], &["c", "d"], 0), Some(Cause::ScaledUp));
    // pods may be seen before the decision is
    let scene = Scene::with(&["a"])
        .at(1_000)
        .comes("b", "1")
        .at(1_500)
        .wants(2, None);
    assert_eq!(scene.cause(&[], &["b"], 0), Some(Cause::ScaledUp));
    let scene = scene.at(90_000).wants(1, None).goes("b", Removal::Asked);
    assert_eq!(scene.cause(&["b"], &[], 0), Some(Cause::ScaledDown));
    assert_eq!(
        scene.explain(&["b"], &[], 0).expect("known").sentence,
        "Scaled down: b was removed."
    );
}

#[test]
fn a_deleted_pod_and_its_replacement() {
    let scene = Scene::with(&["a", "b"]).at(1_000).goes("b", Removal::Asked);
    assert_eq!(
        scene.cause(&["b"], &[], 0),
        None,
        "its replacement is not known yet"
    );
    let scene = scene.at(1_200).comes("c", "1");
    assert_eq!(scene.cause(&["b"], &[], 0), Some(Cause::PodDeleted));
    assert_eq!(scene.cause(&[], &["c"], 0), Some(Cause::PodDeleted));
    // during a scale-up: one is a replacement, the other an addition
    let scene = scene.at(1_300).wants(3, None).at(1_400).comes("d", "1");
    assert_eq!(scene.cause(&[], &["c"], 0), Some(Cause::PodDeleted));
    assert_eq!(scene.cause(&[], &["d"], 0), Some(Cause::ScaledUp));
}

#[test]
fn a_deletion_soon_after_a_scale_down_is_not_part_of_it() {
    let scene = Scene::with(&["a", "b", "c"])
        .at(1_000)
        .wants(2, None)
        .goes("c", Removal::Asked);
    let deleted = scene
        .clone()
        .at(4_000)
        .goes("a", Removal::Asked)
        .at(4_050)
        .comes("d", "1");
    let rolled = scene
        .at(6_000)
        .comes("e", "2")
        .at(8_000)
        .goes("b", Removal::Asked);
    assert_eq!(deleted.cause(&["c"], &[], 0), Some(Cause::ScaledDown));
    assert_eq!(deleted.cause(&["a"], &["d"], 0), Some(Cause::PodDeleted));
    assert_eq!(rolled.cause(&["b"], &["e"], 0), Some(Cause::Rollout));
}

#[test]
fn a_changed_pod_template() {
    let scene = Scene::with(&["a"]).at(1_000).comes("b", "2");
    assert_eq!(scene.cause(&[], &["b"], 0), Some(Cause::Rollout));
    let scene = scene.at(3_000).goes("a", Removal::Asked);
    assert_eq!(scene.cause(&["a"], &["b"], 0), Some(Cause::Rollout));
    // one that is deleted and replaced right after it
    let scene = scene
        .at(8_000)
        .goes("b", Removal::Asked)
        .at(8_100)
        .comes("c", "2");
    assert_eq!(scene.cause(&["b"], &["c"], 0), Some(Cause::PodDeleted));
    let other = |topics: &str, protocol_key: &str| Sight {
        topics: topics.to_owned(),
        protocol_key: protocol_key.to_owned(),
        ..sight("2")
    };
    for (sight, expected) in [
        (other("t,u", ""), Cause::TopicsChanged),
        (other("t", "x"), Cause::ReconfiguredBySpec),
    ] {
        let scene = Scene::with(&["a"])
            .at(1_000)
            .is("b", sight)
            .at(2_000)
            .goes("a", Removal::Asked);
        assert_eq!(scene.cause(&["a"], &["b"], 0), Some(expected));
        assert_eq!(scene.cause(&["a"], &[], 0), Some(expected));
    }
}

#[test]
fn a_process_that_ends() {
    for (end, cause, code) in [
        (End::Exited(3), Cause::ContainerExited, Some(3)),
        (End::OomKilled, Cause::OomKilled, Some(137)),
    ] {
        let scene = Scene::with(&["a", "b"]).at(1_000).ends("b", end);
        for (left, joined) in [
            (vec!["b"], vec![]),
            (vec!["b"], vec!["b'"]),
            (vec![], vec!["b'"]),
        ] {
            let why = scene.explain(&left, &joined, 0).expect("known at once");
            assert_eq!(
                (why.cause, why.exit_code),
                (cause, code),
                "{left:?} {joined:?}"
            );
        }
        // an earlier exit does not explain a deletion
        let scene = scene.at(200_000).goes("b", Removal::Asked).comes("c", "1");
        let who = ChangedMember {
            client: "b".to_owned(),
            since: 2_000,
            former: None,
        };
        let change = MembershipChange {
            number: 2,
            noticed: scene.now,
            blind: false,
            joined: vec![],
            left: vec![who],
            added: vec![],
        };
        let why = super::cause(&change, "g", &scene.witness, scene.now).expect("known");
        assert_eq!(why.cause, Cause::PodDeleted);
    }
}

#[test]
fn an_eviction() {
    let scene = Scene::with(&["a", "b"])
        .at(1_000)
        .goes("b", Removal::Evicted)
        .at(1_100)
        .comes("c", "1");
    assert_eq!(scene.cause(&["b"], &[], 0), Some(Cause::Evicted));
    assert_eq!(scene.cause(&[], &["c"], 0), Some(Cause::Evicted));
    assert_eq!(scene.cause(&["b"], &["c"], 0), Some(Cause::Evicted));
}

#[test]
fn a_member_counts_as_frozen_only_after_the_end_of_its_container_would_be_reported() {
    let scene = Scene::with(&["a", "b"]).at(20_000);
    assert_eq!(scene.cause(&["b"], &[], 0), None);
    let why = scene.explain(&["b"], &[], 12_000).expect("known");
    assert_eq!(why.cause, Cause::SessionTimedOut);
    assert_eq!(
        why.advice
            .as_deref()
            .map(|advice| advice.ends_with("kubectl describe pod b")),
        Some(true)
    );
    assert_eq!(
        scene.cause(&[], &["b'"], 12_000),
        Some(Cause::SessionTimedOut),
        "it comes back"
    );
}

#[test]
fn a_group_that_the_spec_stops_starts_or_reconfigures() {
    let (stopped, started) = (Cause::StoppedBySpec, Cause::StartedBySpec);
    for (hold, stops, starts) in [
        (Hold::Stopped, stopped, started),
        (
            Hold::Switching,
            Cause::ReconfiguredBySpec,
            Cause::ReconfiguredBySpec,
        ),
        (Hold::Unclaimed, stopped, started),
    ] {
        let scene = Scene::with(&["a"])
            .at(1_000)
            .wants(0, Some(hold))
            .goes("a", Removal::Asked);
        assert_eq!(scene.cause(&["a"], &[], 0), Some(stops));
        let scene = scene.at(100_000).wants(1, None).at(101_000).comes("b", "1");
        assert_eq!(scene.cause(&[], &["b"], 0), Some(starts));
        let deleted = scene
            .clone()
            .at(102_000)
            .goes("b", Removal::Asked)
            .at(102_100)
            .comes("d", "1");
        assert_eq!(
            deleted.cause(&["b"], &["d"], 0),
            Some(Cause::PodDeleted),
            "the hold was over"
        );
        let scene = scene.at(110_000).wants(2, None).comes("c", "1");
        assert_eq!(
            scene.cause(&[], &["c"], 0),
            Some(Cause::ScaledUp),
            "that is over"
        );
    }
}

#[test]
fn a_group_that_loses_its_group_id_is_not_called_scaled_down() {
    let scene = Scene::with(&["a"])
        .at(1_000)
        .wants(0, Some(Hold::Unclaimed))
        .goes("a", Removal::Asked);
    let why = scene.explain(&["a"], &[], 0).expect("known");
    assert_eq!(why.cause, Cause::StoppedBySpec);
    assert_eq!(
        why.sentence,
        "The group's consumers may not use the group id with the current spec: a left."
    );
    let scene = scene.at(100_000).wants(1, None).at(101_000).comes("b", "1");
    let why = scene.explain(&[], &["b"], 0).expect("known");
    assert_eq!(
        why.sentence,
        "The group's consumers waited for permission to use the group id: b joined."
    );
}

#[test]
fn a_topic_that_grows() {
    let scene = Scene::with(&["a"]);
    let added = vec![("t".to_owned(), 3)];
    let change = MembershipChange {
        number: 1,
        noticed: 0,
        blind: false,
        joined: vec![],
        left: vec![],
        added,
    };
    let why = cause(&change, "g", &scene.witness, 0).expect("known");
    assert_eq!(
        (why.cause, why.sentence.as_str()),
        (
            Cause::PartitionsAdded,
            "The group reads 1 new partition, up to t/3."
        )
    );
}

#[test]
fn without_facts_the_cause_is_unknown() {
    let patience = FACT_TIMEOUT;
    // the instance was never observed
    assert_eq!(
        Scene::with(&["a"]).at(50_000).cause(&["x"], &[], patience),
        Some(Cause::Unknown)
    );
    assert_eq!(
        Scene::with(&["a"]).at(50_000).cause(&["x"], &[], 0),
        None,
        "something may still be seen"
    );
    // the instance existed before the first observation, and why it joins only now is unknown
    assert_eq!(
        Scene::with(&["a"]).at(50_000).cause(&[], &["a"], patience),
        Some(Cause::Unknown)
    );
    // it was removed while instances were not observed
    assert_eq!(
        Scene::with(&["a"])
            .at(1_000)
            .lost("a")
            .at(50_000)
            .cause(&["a"], &[], patience),
        Some(Cause::Unknown)
    );
    // an instance was created although the replica count did not change and no instance was removed
    let scene = Scene::with(&["a"]).at(1_000).comes("b", "1").at(50_000);
    assert_eq!(scene.cause(&[], &["b"], patience), Some(Cause::Unknown));
    // no member joined or left
    assert_eq!(Scene::with(&["a"]).cause(&[], &[], 0), Some(Cause::Unknown));
    // an end long ago
    let long_ago = Sight {
        ends: vec![("old".to_owned(), End::Exited(1), false)],
        ..sight("1")
    };
    let mut scene = Scene::with(&[]);
    scene.witness.saw("a", long_ago, false, 0);
    assert_eq!(
        scene.at(50_000).cause(&["a"], &[], patience),
        Some(Cause::SessionTimedOut)
    );
}

#[test]
fn the_gravest_of_several_causes_is_named_and_all_have_a_sentence() {
    let scene = Scene::with(&["a", "b"])
        .at(1_000)
        .ends("b", End::Exited(1))
        .wants(3, None)
        .comes("c", "1");
    let why = scene.explain(&["b"], &["b'", "c"], 0).expect("known");
    assert_eq!(
        (why.cause, why.exit_code),
        (Cause::ContainerExited, Some(1))
    );
    assert_eq!(
        why.sentence,
        "b exited with code 1. It rejoined. Scaled up: c was added."
    );
}
