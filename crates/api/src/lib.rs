//! The custom resource `ConsumerGroupPractice`: its spec and status, with every rule in the schema, and the same rules
//! without a server. In: nothing. Out: types, the CRD, faults of a manifest.
//! Deliberately absent: a client, Kafka, a clock.

#![allow(unreachable_pub)] // the derive writes public inner types of its own

pub mod spec;
pub mod status;
pub mod validate;

pub use spec::{
    Assignor, ConsumerGroupPractice, DeletionPolicy, DesiredState, Group, Kafka, Keys, Load,
    PracticeSpec, Producer, Topic, Variant,
};
pub use status::PracticeStatus;
pub use validate::{Fault, faults};

/// Group of the API.
pub const API_GROUP: &str = "kafka-practice.dev";

/// The `CustomResourceDefinition` as YAML, as in the chart.
pub fn crd_yaml() -> String {
    use kube::CustomResourceExt;
    serde_yaml::to_string(&ConsumerGroupPractice::crd()).expect("a CRD should be serializable")
}
