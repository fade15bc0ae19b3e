//! The cost of polls of a real Kafka. A separate binary, whose tests run one at a time and with nothing beside them.

#[path = "../it/consumers.rs"]
#[expect(dead_code, reason = "what other tests need")]
mod consumers;

mod other_groups;
mod scale;

use tokio::sync::{Mutex, MutexGuard};

static TURN: Mutex<()> = Mutex::const_new(());

/// For the time of a test.
async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}
