//! The worker as a process against a real Kafka, and against librdkafka's in-memory broker where a fault has to be made.

mod delays;
mod faults;
mod groups;
mod holds;
mod http;
mod judged;
mod kafka;
mod kit;
mod ledger;
mod messages;
mod mutants;
mod outputs;
mod refusals;
mod starts;

use std::sync::OnceLock;

/// The one Kafka of this run.
fn servers() -> String {
    static SERVERS: OnceLock<String> = OnceLock::new();
    SERVERS
        .get_or_init(|| {
            kit::wait_for(practice_testbed::kafka())
                .bootstrap()
                .to_owned()
        })
        .clone()
}
