//! In: a plan, the bounds of its namespace, what older practices there use already. Out: the first rule that it breaks, as
//! a message that names the rule, the value and the fix. Pure; checked before the operator contacts Kafka.

use practice_api::PracticeSpec;
use practice_contract::parse_servers;

use crate::{
    config::{Bounds, Prefix},
    plan::Plan,
};

/// What practices use of the totals of their namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Partitions of all topics.
    pub partitions: i64,
    /// Consumers of all groups; a row whose `replicas` is not set counts as one.
    pub replicas: i64,
}

impl Usage {
    /// The usage of one spec.
    pub fn of(spec: &PracticeSpec) -> Self {
        let rows = spec.groups.iter().flat_map(|group| {
            std::iter::once(group.replicas)
                .chain(group.variants.iter().map(|variant| variant.replicas))
        });
        Self {
            partitions: spec
                .topics
                .iter()
                .map(|topic| i64::from(topic.partitions))
                .sum(),
            replicas: rows.map(|replicas| i64::from(replicas.unwrap_or(1))).sum(),
        }
    }
}

impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            partitions: sum.partitions + one.partitions,
            replicas: sum.replicas + one.replicas,
        })
    }
}

/// Whether an allowed address, as an administrator spells it, is this one of a plan.
fn is_address(allowed: &str, server: &str) -> bool {
    allowed == server || parse_servers(allowed).is_ok_and(|allowed| allowed == server)
}

/// What names the Kafka of a practice.
pub const MANIFEST: &str = "spec.kafka.bootstrapServers";

/// The first rule about addresses and topic names that the use of these topics on `bootstrap`, which `named_by` has, breaks. The totals of a namespace
/// are not among them: they do not bound a deletion.
pub fn broken_access_rule<'a>(
    namespace: &str,
    (named_by, bootstrap): (&str, &str),
    topics: impl IntoIterator<Item = &'a str>,
    bounds: &Bounds,
    default: Option<&str>,
) -> Option<String> {
    if !bounds.allowed_bootstrap_servers.is_empty() && Some(bootstrap) != default {
        let stranger = bootstrap.split(',').find(|server| {
            !bounds
                .allowed_bootstrap_servers
                .iter()
                .any(|allowed| is_address(allowed, server))
        });
        if let Some(stranger) = stranger {
            let allowed = bounds.allowed_bootstrap_servers.join(", ");
            return Some(format!(
                "policy allowedBootstrapServers of namespace {namespace} allows {allowed}, {named_by} has {stranger}: use an allowed one, {FIX}"
            ));
        }
    }
    let prefixes = &bounds.topic_prefixes;
    topics
        .into_iter()
        .find_map(|topic| prefixed(namespace, "topicPrefixes", prefixes, "topic", topic))
}

/// The last part of each message.
const FIX: &str = "or ask the administrator of the operator to change its policy";

/// The rule `rule` if `name` begins with none of its prefixes, as they are in this namespace.
fn prefixed(
    namespace: &str,
    rule: &str,
    prefixes: &[Prefix],
    what: &str,
    name: &str,
) -> Option<String> {
    let allowed: Vec<String> = prefixes
        .iter()
        .map(|prefix| prefix.in_namespace(namespace))
        .collect();
    let broken = !allowed.is_empty() && !allowed.iter().any(|prefix| name.starts_with(prefix));
    broken.then(|| {
        let allowed = allowed.join(", ");
        format!("policy {rule} of namespace {namespace} allows {allowed}, {what} {name} has none of these prefixes: rename it, {FIX}")
    })
}

/// The first rule that a practice breaks. `elders` is what the older practices of its namespace use; `default` is the
/// operator's own Kafka, which is always allowed.
pub fn broken_rule(
    plan: &Plan,
    bounds: &Bounds,
    default: Option<&str>,
    own: Usage,
    elders: Usage,
) -> Option<String> {
    let namespace = &plan.namespace;
    let total = |rule: &str, most: Option<i64>, what: &str, own: i64, elders: i64| {
        most.filter(|most| own + elders > *most).map(|most| {
            format!(
                "policy {rule} of namespace {namespace} allows {most} {what}, this practice asks for {own} and older ones have {elders}: use fewer, {FIX}"
            )
        })
    };
    let topics = plan.topics.iter().map(|topic| topic.name.as_str());
    let group = |id| {
        prefixed(
            namespace,
            "groupPrefixes",
            &bounds.group_prefixes,
            "group",
            id,
        )
    };
    broken_access_rule(
        namespace,
        (MANIFEST, &plan.bootstrap),
        topics,
        bounds,
        default,
    )
    .or_else(|| plan.groups.iter().find_map(|named| group(&named.id)))
    .or_else(|| {
        total(
            "maxPartitions",
            bounds.max_partitions,
            "partitions",
            own.partitions,
            elders.partitions,
        )
    })
    .or_else(|| {
        total(
            "maxReplicas",
            bounds.max_replicas,
            "consumers",
            own.replicas,
            elders.replicas,
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::plan_of;

    #[test]
    fn each_rule_refuses_with_its_reason() {
        let spec = json!({"topics": [{"name": "a-t", "partitions": 3}], "kafka": {"bootstrapServers": "x:1,y:2"},
            "groups": [{"name": "a-g", "replicas": 2, "variants": [{"name": "v"}]}]});
        let plan = plan_of(spec.clone());
        let own = Usage::of(&serde_json::from_value(spec).expect("a spec"));
        assert_eq!(
            own,
            Usage {
                partitions: 3,
                replicas: 3
            }
        );
        let elders = Usage {
            partitions: 2,
            replicas: 2,
        };
        let list = |items: &[&str]| {
            items
                .iter()
                .map(|item| (*item).to_owned())
                .collect::<Vec<_>>()
        };
        let prefixes = |items: &[&str]| -> Vec<Prefix> {
            let read = |prefix: String| Prefix::try_from(prefix).expect("a prefix");
            list(items).into_iter().map(read).collect()
        };
        let rule = |bounds: Bounds| broken_rule(&plan, &bounds, Some("k:1"), own, elders);
        assert_eq!(rule(Bounds::default()), None);
        for (reason, bounds) in [
            (
                "has y:2",
                Bounds {
                    allowed_bootstrap_servers: list(&["x:1"]),
                    ..Bounds::default()
                },
            ),
            (
                "topic a-t has none of these prefixes",
                Bounds {
                    topic_prefixes: prefixes(&["b-", "c"]),
                    ..Bounds::default()
                },
            ),
            (
                "allows lab-, n., topic a-t has none of these prefixes",
                Bounds {
                    topic_prefixes: prefixes(&["lab-", "{namespace}."]),
                    ..Bounds::default()
                },
            ),
            (
                "allows x.n., group a-g has none of these prefixes",
                Bounds {
                    group_prefixes: prefixes(&["x.{namespace}."]),
                    ..Bounds::default()
                },
            ),
            (
                "group a-g has none of these prefixes",
                Bounds {
                    group_prefixes: prefixes(&["b-"]),
                    ..Bounds::default()
                },
            ),
            (
                "allows 4 partitions",
                Bounds {
                    max_partitions: Some(4),
                    ..Bounds::default()
                },
            ),
            (
                "allows 4 consumers",
                Bounds {
                    max_replicas: Some(4),
                    ..Bounds::default()
                },
            ),
        ] {
            let message = rule(bounds).unwrap_or_default();
            assert!(
                message.contains(reason) && message.contains("namespace n"),
                "{reason}: {message}"
            );
        }
        let enough = Bounds {
            allowed_bootstrap_servers: list(&["y:2", "x:1"]),
            topic_prefixes: prefixes(&["a-"]),
            group_prefixes: prefixes(&["b-", "a-"]),
            max_partitions: Some(5),
            max_replicas: Some(5),
        };
        assert_eq!(rule(enough), None);
        let strict = Bounds {
            allowed_bootstrap_servers: list(&["z:1"]),
            ..Bounds::default()
        };
        assert_eq!(
            broken_rule(&plan, &strict, Some("x:1,y:2"), own, elders),
            None,
            "the operator's own is allowed"
        );
    }

    #[test]
    fn a_prefix_with_the_namespace_allows_what_is_of_the_namespace() {
        let bounds = |prefix: &str| Bounds {
            topic_prefixes: vec![Prefix::try_from(prefix.to_owned()).expect("a prefix")],
            ..Bounds::default()
        };
        for (prefix, namespace, topic, is_allowed) in [
            ("{namespace}.", "team-a", "team-a.orders", true),
            ("{namespace}.", "team-a", "team-a.", true),
            ("{namespace}.", "team-a", "team-b.orders", false),
            ("{namespace}.", "team-a", "team-a-b.orders", false),
            ("{namespace}.", "team-a", "{namespace}.orders", false),
            ("{namespace}.", "team-a", "team-a", false),
            ("lab.{namespace}.", "team-a", "lab.team-a.orders", true),
            ("lab.{namespace}.", "team-a", "lab.orders", false),
        ] {
            let kafka = (MANIFEST, "k:1");
            let broken = broken_access_rule(namespace, kafka, [topic], &bounds(prefix), None);
            assert_eq!(broken.is_none(), is_allowed, "{prefix} {topic}: {broken:?}");
        }
    }
}
