//! The servers themselves: they serve, keep their data while they are stopped, and end with the test process.

mod leftovers;
mod servers;
