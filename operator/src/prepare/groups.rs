//! Ownership of a group id. In: a group of a plan, its state in Kafka. Out: whether its consumers may start. Deliberately absent:
//! the order of practices, which `memory` records.

use practice_contract::commit_metadata;
use practice_groups::{At, GroupSeen, GroupState, KafkaError};
use practice_plan::{
    labels::CLAIM_GROUPS,
    outcome::Unclaimed,
    plan::{GroupPlan, Plan},
};

use crate::live::Live;

/// Whether the operator has to check that Kafka supports the KIP-848 protocol: a group that uses it already proves that.
pub(super) fn needs_consumer_protocol(group: &GroupPlan, seen: Option<&GroupSeen>) -> bool {
    let runs = seen.is_none_or(|seen| seen.protocol == Some(practice_contract::Protocol::Consumer));
    group.protocol == practice_contract::Protocol::Consumer && !runs
}

/// Why a group cannot run on a Kafka without the KIP-848 protocol.
pub(super) fn unsupported(group: &GroupPlan) -> String {
    format!(
        "group {} has protocol Consumer, which this Kafka does not support (feature group.version is 0): use Classic, or upgrade to Kafka 4.0 and set group.version to 1",
        group.id
    )
}

/// Claims a group id: it must be unused, or used by this practice only. Kafka's own tools commit without metadata: such commits are
/// this practice's if a commit with its metadata, a member that is its pod, or annotation `claim-groups` shows that the id is.
pub(super) fn claim(
    plan: &Plan,
    group: &GroupPlan,
    seen: Option<&GroupSeen>,
    live: &Live,
) -> Result<(), Unclaimed> {
    let Some(seen) = seen else {
        return Err(Unclaimed::Unknown);
    };
    if let Some(denied @ KafkaError::Denied { .. }) = &seen.trouble {
        return Err(Unclaimed::Denied(format!("group {}: {denied}", group.id)));
    }
    let Some(committed) = &seen.committed else {
        return Err(Unclaimed::Unknown);
    };
    if seen.state == GroupState::Unknown {
        return Err(Unclaimed::Unknown);
    }
    let conflict = |why: String| {
        let fix =
            "choose another name, or stop the other application and delete the group's offsets";
        Err(Unclaimed::Conflict(format!(
            "group id {} is in use: {why}; {fix}",
            group.id
        )))
    };
    if let Some(stranger) = seen
        .members
        .iter()
        .find(|member| !live.is_pod(&member.client_id))
    {
        return conflict(format!(
            "member {} on {} does not belong to this practice",
            stranger.client_id, stranger.host
        ));
    }
    let ours = commit_metadata(&format!("{}/{}", plan.namespace, plan.name));
    if let Some(((topic, partition), _)) = committed
        .iter()
        .find(|(_, committed)| !committed.metadata.is_empty() && *committed.metadata != *ours)
    {
        return conflict(format!(
            "the committed offset of {topic}/{partition} does not belong to this practice"
        ));
    }
    let is_shown = !seen.members.is_empty()
        || committed
            .values()
            .any(|committed| *committed.metadata == *ours)
        || live.claim_groups.contains(&group.id);
    match committed.keys().next() {
        Some(partition) if !is_shown => Err(without_metadata(plan, group, partition)),
        _ => Ok(()),
    }
}

/// The conflict of a group in which no commit has metadata. The fix keeps the offsets: they may have been reset for this practice.
fn without_metadata(plan: &Plan, group: &GroupPlan, (topic, partition): At<'_>) -> Unclaimed {
    let Plan {
        bootstrap,
        namespace,
        name,
        ..
    } = plan;
    let id = &group.id;
    Unclaimed::Conflict(format!(
        "group id {id} is in use: the committed offset of {topic}/{partition} has no metadata, so its owner is unknown; if another application uses the group, choose another name; if you set the offsets for this practice, claim them: kubectl annotate cgp {name} -n {namespace} {CLAIM_GROUPS}={id} (separate several ids by commas); to see them: kafka-consumer-groups.sh --bootstrap-server {bootstrap} --describe --group {id}"
    ))
}

#[cfg(test)]
mod tests {
    use practice_groups::{ByPartition, Committed, MemberSeen};

    use super::*;
    use crate::live::LivePod;
    use practice_plan::testing::plan_of;

    #[test]
    fn a_group_id_in_use_by_others_is_not_claimed() {
        let plan =
            plan_of(serde_json::json!({"topics": [{"name": "t"}], "groups": [{"name": "g"}]}));
        let group = &plan.groups[0];
        let pods = vec![LivePod {
            name: "p-g-1".into(),
            group: Some("g".into()),
            ..LivePod::default()
        }];
        let live = Live {
            pods,
            ..Live::default()
        };
        let member = |client_id: &str| MemberSeen {
            member_id: "m".into(),
            client_id: client_id.into(),
            host: "/1.2.3.4".into(),
            partitions: None,
        };
        let commit = |metadata: &str| {
            Some(ByPartition::from([(
                ("t".to_owned(), 0),
                Committed {
                    offset: 1,
                    metadata: metadata.into(),
                },
            )]))
        };
        let seen = |state, members, committed| GroupSeen {
            state,
            members,
            committed,
            ..GroupSeen::default()
        };
        let ours = "kafka-practice:n/p";
        let claims = |seen: &GroupSeen| claim(&plan, group, Some(seen), &live);
        assert_eq!(
            claims(&seen(
                GroupState::Absent,
                vec![],
                Some(ByPartition::default())
            )),
            Ok(())
        );
        assert_eq!(
            claims(&seen(GroupState::Empty, vec![], commit(ours))),
            Ok(())
        );
        assert_eq!(
            claims(&seen(
                GroupState::Stable,
                vec![member("p-g-1")],
                commit(ours)
            )),
            Ok(())
        );
        assert_eq!(
            claims(&seen(GroupState::Empty, vec![], None)),
            Err(Unclaimed::Unknown)
        );
        assert_eq!(claims(&GroupSeen::default()), Err(Unclaimed::Unknown));
        let denied = KafkaError::Denied {
            operation: "Describe",
            resource: "group g".into(),
        };
        let denied = GroupSeen {
            trouble: Some(denied),
            ..GroupSeen::default()
        };
        assert!(
            matches!(claims(&denied), Err(Unclaimed::Denied(why)) if why.starts_with("group g: Kafka denied"))
        );
        // Kafka's own tools reset offsets without metadata
        let both = |other: &str| {
            let mut all = commit(ours).expect("is set");
            let other = Committed {
                offset: 2,
                metadata: other.into(),
            };
            all.insert(("t", 1), other);
            Some(all)
        };
        assert_eq!(
            claims(&seen(GroupState::Empty, vec![], both(""))),
            Ok(()),
            "some commits have our metadata"
        );
        assert_eq!(
            claims(&seen(GroupState::Stable, vec![member("p-g-1")], commit(""))),
            Ok(()),
            "every member is a pod of ours"
        );
        let reset = seen(GroupState::Empty, vec![], commit(""));
        let Err(Unclaimed::Conflict(why)) = claims(&reset) else {
            panic!("nothing shows that it is ours")
        };
        assert!(
            why.contains("kubectl annotate cgp p -n n kafka-practice.dev/claim-groups=g")
                && why.contains(
                    "kafka-consumer-groups.sh --bootstrap-server k:1 --describe --group g"
                )
                && !why.contains("delete"),
            "{why}"
        );
        let named = |ids: &str| {
            let mut practice = practice_api::ConsumerGroupPractice::new(
                "p",
                practice_api::PracticeSpec::default(),
            );
            let annotation = (CLAIM_GROUPS.to_owned(), ids.to_owned());
            practice.metadata.annotations = Some([annotation].into());
            let live = Live::default().with_claims_of(&practice);
            claim(&plan, group, Some(&reset), &live)
        };
        assert_eq!((named("g"), named("f, g")), (Ok(()), Ok(())));
        assert!(named("f,gg").is_err() && named("").is_err());
        for foreign in [
            seen(GroupState::Stable, vec![member("other")], commit(ours)),
            seen(GroupState::Stable, vec![member("other")], commit("")),
            seen(GroupState::Empty, vec![], both("kafka-practice:n/p2")),
            seen(GroupState::Empty, vec![], both("checkpoint")),
            seen(GroupState::Empty, vec![], commit("")),
            seen(GroupState::Empty, vec![], commit("kafka-practice:n/p2")),
        ] {
            assert!(
                matches!(claims(&foreign), Err(Unclaimed::Conflict(_))),
                "{foreign:?}"
            );
        }
    }
}
