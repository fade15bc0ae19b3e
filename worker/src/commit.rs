//! Commits of offsets. In: handled messages. Out: stored offsets with the metadata of this project. The client commits stored offsets
//! every second and before partitions are revoked, and reports the result.
//! (A manual commit of this client is either answered to a thread that waits for it without bound, or not at all.)
//! Lines are written before their offsets are stored, on standard output and in the ledger file: a message counts as handled only when
//! its line is out.

use practice_contract::{
    commit_metadata,
    events::{Moved, WorkerEvent},
};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
};
use tracing::{debug, warn};

use crate::{
    consume::ConsumeError,
    rebalance::Context,
    shared::{Shared, now},
};

/// A partition's position counts as ours after this time; the client resets it within moments of an assignment.
const SETTLED_MS: i64 = 2_000;

/// Stores what was handled since the last call.
///
/// # Errors
/// A line could not be written. What was handled since is never stored: the lines of it may be missing.
pub(crate) fn store_handled(
    consumer: &BaseConsumer<Context>,
    context: &Context,
) -> Result<(), ConsumeError> {
    context.output().flush()?;
    context.shared.write_ledger()?;
    let due = context.shared.member().take_due();
    if due.is_empty() {
        return Ok(());
    }
    let metadata = context
        .shared
        .settings
        .owner
        .as_deref()
        .map(commit_metadata);
    let mut offsets = TopicPartitionList::with_capacity(due.len());
    for ((topic, partition), offset) in due {
        let mut element = offsets.add_partition(&topic, partition);
        element
            .set_offset(Offset::Offset(offset))
            .expect("a numeric offset should be representable");
        if let Some(metadata) = &metadata {
            element.set_metadata(metadata);
        }
    }
    if let Err(error) = consumer.store_offsets(&offsets) {
        debug!("storing offsets of partitions that are gone: {error}");
    }
    Ok(())
}

/// Notes the client's position; to be called when there is nothing to do. It lies behind transaction markers, which no
/// application sees and which would count as lag forever.
pub(crate) fn note_positions(consumer: &BaseConsumer<Context>, shared: &Shared) {
    let Ok(positions) = consumer.position() else {
        return;
    };
    let mut member = shared.member();
    for element in positions.elements() {
        if let Offset::Offset(position) = element.offset() {
            member.moved_on(
                element.topic(),
                element.partition(),
                position,
                now(),
                SETTLED_MS,
            );
        }
    }
}

/// Notes the answer to a commit.
pub(crate) fn note_answer(shared: &Shared, result: &KafkaResult<()>, offsets: &TopicPartitionList) {
    let mut failure = result.clone().err();
    let mut done = Vec::new();
    let (mut member, at) = (shared.member(), now());
    for element in offsets.elements() {
        let Offset::Offset(offset) = element.offset() else {
            continue;
        };
        let outcome = result.clone().and_then(|()| element.error());
        let partition = (element.topic(), element.partition());
        member.committed(partition, offset, outcome.is_ok(), at);
        match outcome {
            Ok(()) => {
                done.push(Moved {
                    topic: element.topic().to_owned(),
                    partition: element.partition(),
                    offset,
                    count: 0,
                });
            }
            Err(error) => failure = Some(error),
        }
    }
    drop(member);
    if let Some(error) = failure {
        warn!("commit: {error}; the next commit retries it while this member owns the partitions");
    }
    if !done.is_empty() {
        shared.publish(|| WorkerEvent::Committed {
            at,
            partitions: done,
        });
    }
}
