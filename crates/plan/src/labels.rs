//! Labels and annotations of a practice's objects. Objects also have Kubernetes' recommended labels.

use practice_contract::Hold;

/// Label: the practice that an object belongs to.
pub const PRACTICE: &str = "kafka-practice.dev/practice";
/// Label and annotation: the group; the annotation is always the exact id.
pub const GROUP: &str = "kafka-practice.dev/group";
/// Label: the variant, empty for a group's plain members.
pub const VARIANT: &str = "kafka-practice.dev/variant";
/// Annotation of pods: protocol and assignor; members with different ones cannot share a group.
pub const PROTOCOL_KEY: &str = "kafka-practice.dev/protocol";
/// Annotation: the number of consumers that an autoscaler or user had set before the group was held at 0.
pub const REPLICAS_BEFORE: &str = "kafka-practice.dev/replicas-before";
/// Annotation of pods: why their consumers do not join the group; `None` where they do.
pub const HOLD: &str = "kafka-practice.dev/hold";

/// Whether the consumers of a pod, or of a pod template, do not join their group: the value of its annotation [`HOLD`].
pub fn is_held(hold: Option<&str>) -> bool {
    hold.is_some_and(|word| word != Hold::word(None))
}

/// Annotation of a Deployment that was made, or is held, while its group id is not claimed; without it the Deployment shows that the
/// practice owned the id.
pub const UNCLAIMED: &str = "kafka-practice.dev/group-id-unclaimed";
/// Annotation of a practice: group ids, separated by commas, whose committed offsets without metadata belong to the practice.
pub const CLAIM_GROUPS: &str = "kafka-practice.dev/claim-groups";
/// Label and annotation values.
pub const PART_OF: &str = "kafka-practice";
/// Label: `worker` or `producer`.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// Annotation of a practice: `true` gives up the deletion of its topics at once, and they stay in Kafka.
pub const KEEP_TOPICS: &str = "kafka-practice.dev/keep-topics";
