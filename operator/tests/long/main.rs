//! What takes long to show, and what the product costs: hand-overs, outages, operators that are killed, and the figures of
//! `make e2e`. Needs a node that is up with the release `cgp` on it (but for `scale` and `pairs`), and the programs in `target/release`; fails
//! without.

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod causes;
mod consuming;
mod crowd;
mod drifts;
mod handover;
mod many;
mod memory;
mod outage;
mod pairs;
mod posting;
mod program;
mod prometheus;
mod release;
mod restarts;
mod scale;
mod scrape;
