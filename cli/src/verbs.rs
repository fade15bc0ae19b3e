//! What can be done: a file a verb. Each asks the cluster, hands what it got to a pure file, and prints.

pub mod get;

pub mod describe;
pub mod journal;

pub mod plan;

pub mod logs;
pub mod send;

pub mod check;
pub mod view;

pub mod completion;
pub mod version;
