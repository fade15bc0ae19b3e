//! The servers themselves: they serve, keep what they are told while they are stopped, and end with the test process.

mod leftovers;
mod servers;
