//! Labels and annotations of a practice's objects. Recommended Kubernetes labels stand beside them where objects are rendered.

/// Label: the practice that an object belongs to.
pub const PRACTICE: &str = "kafka-practice.dev/practice";
/// Label and annotation: the group; the annotation is always the exact id.
pub const GROUP: &str = "kafka-practice.dev/group";
/// Label: the variant, empty for a group's plain members.
pub const VARIANT: &str = "kafka-practice.dev/variant";
/// Annotation of pods: the protocol and assignor they speak; members that differ in it cannot share a group.
pub const PROTOCOL_KEY: &str = "kafka-practice.dev/protocol";
/// Annotation: the number of consumers that someone else had chosen before the group was held at 0.
pub const REPLICAS_BEFORE: &str = "kafka-practice.dev/replicas-before";
/// Label and annotation values.
pub const PART_OF: &str = "kafka-practice";
/// Label: `worker` or `producer`.
pub const COMPONENT: &str = "app.kubernetes.io/component";
