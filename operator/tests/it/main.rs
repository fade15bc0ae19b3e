//! The operator against a real kube-apiserver and a real Kafka, with the chart's rights; its pods' consumers are real ones.
//! One operator for all tests, a namespace for each.

mod operator;
mod pods;
mod scene;
mod truth;

mod agreement;
mod basics;
mod claims;
mod endings;
mod journal;
mod many;
mod outages;
mod owners;
mod ownership;
mod picture;
mod policy;
mod program;
mod reader;
mod refused_endings;
mod replicas;
mod resets;
mod roles;
mod starts;
mod stopped;
mod topic_config;
mod topics;
mod transactions;
mod workshop;
mod zero;
