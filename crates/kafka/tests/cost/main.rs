//! What looks at a real Kafka cost. A program of its own, whose tests take turns: nothing else of ours runs beside them.

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
