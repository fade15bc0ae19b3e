//! The verbs, a file each. A verb sends requests to the cluster, passes the answers to a pure file, and prints the result.

pub mod get;

pub mod describe;
pub mod journal;

pub mod plan;

mod consumers;
pub mod logs;
pub mod send;
pub mod where_is;

pub mod lesson;

pub mod check;
pub mod view;

pub mod completion;
pub mod version;
