//! Last stable offsets, and the transactions that are open there. In: partitions. Out: offsets, producers and start times; what Kafka
//! does not report is absent. Deliberately absent: what they mean for a group.

use std::collections::{BTreeMap, BTreeSet};

use krafka::admin::{
    AdminClient, DescribeProducersOptions, DescribeTransactionsOptions, ListOffsetsOptions,
    ListTransactionsOptions, OffsetSpec, ProducerState, TopicPartition,
};
use practice_groups::{KafkaError, OpenTransaction, Partition};

use crate::{
    error::Failure,
    read::{Kafka, within},
};

/// Most partitions whose producers are asked for: a partition may have thousands of them.
const MOST: usize = 50;

impl Kafka {
    /// The last stable offset of each of these partitions whose leader reports one: where `read_committed` consumers stop (KIP-98).
    ///
    /// # Errors
    /// Kafka is unreachable.
    pub async fn last_stable_offsets(
        &self,
        partitions: impl IntoIterator<Item = &Partition>,
    ) -> Result<BTreeMap<Partition, i64>, KafkaError> {
        let asked: Vec<_> = partitions
            .into_iter()
            .map(|(topic, number)| (TopicPartition::new(topic, *number), OffsetSpec::Latest))
            .collect();
        within(&self.changes, "last_stable_offsets", async |admin| {
            let options = ListOffsetsOptions::default().read_committed(true);
            let listed = admin.list_offsets(asked, options).await?;
            let each = listed.into_iter().filter_map(|(partition, listed)| {
                Some(((partition.topic, partition.partition), listed.ok()?.offset))
            });
            Ok(each.collect())
        })
        .await
    }

    /// The open transaction with the smallest start offset in each of these partitions. One whose producer Kafka does not report is
    /// there with unknown fields.
    ///
    /// # Errors
    /// Kafka is unreachable.
    pub async fn open_transactions(
        &self,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, OpenTransaction>, KafkaError> {
        within(&self.changes, "open_transactions", async |admin| {
            let producers = first_producers(&admin, partitions).await?;
            let ids: BTreeSet<i64> = producers.values().copied().collect();
            let starts = starts(&admin, ids).await?;
            let transaction = |partition: &Partition| {
                let producer_id = producers.get(partition).copied();
                let since = producer_id.and_then(|id| starts.get(&id).copied());
                OpenTransaction { producer_id, since }
            };
            let each = partitions
                .iter()
                .map(|partition| (partition.clone(), transaction(partition)));
            Ok(each.collect())
        })
        .await
    }
}

/// The producer whose open transaction starts first, by partition.
async fn first_producers(
    admin: &AdminClient,
    partitions: &[Partition],
) -> Result<BTreeMap<Partition, i64>, Failure> {
    let asked = partitions
        .iter()
        .take(MOST)
        .map(|(topic, number)| TopicPartition::new(topic, *number));
    let described = admin
        .describe_producers(asked, DescribeProducersOptions::default())
        .await?;
    let first = |producers: Vec<ProducerState>| {
        let open = producers.into_iter().filter_map(|producer| {
            Some((
                producer.current_transaction_start_offset?,
                producer.producer_id,
            ))
        });
        open.min().map(|(_, id)| id)
    };
    let each = described.into_iter().filter_map(|(partition, producers)| {
        let id = first(producers.ok()?)?;
        Some(((partition.topic, partition.partition), id))
    });
    Ok(each.collect())
}

/// When the transactions of these producers were begun, in milliseconds since the epoch, by producer id. A transaction that its
/// coordinator does not know is absent (it hangs: KIP-664).
async fn starts(
    admin: &AdminClient,
    producers: BTreeSet<i64>,
) -> Result<BTreeMap<i64, i64>, Failure> {
    if producers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let options = ListTransactionsOptions::default().producer_ids(producers.into_iter().collect());
    let listed = admin.list_transactions(options).await?;
    let names: BTreeSet<String> = listed
        .into_values()
        .flatten()
        .flatten()
        .map(|transaction| transaction.transactional_id)
        .collect();
    let described = admin
        .describe_transactions(names, DescribeTransactionsOptions::default())
        .await?;
    let begun = described
        .into_values()
        .flatten()
        .filter(|transaction| transaction.start_time_ms >= 0);
    Ok(begun
        .map(|transaction| (transaction.producer_id, transaction.start_time_ms))
        .collect())
}
