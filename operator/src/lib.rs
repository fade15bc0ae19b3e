//! The operator.
pub mod apply;
pub mod error;
pub mod live;
mod names;
pub mod objects;
pub mod plan;
