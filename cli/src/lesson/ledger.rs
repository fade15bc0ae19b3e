//! The ledger of a consumer, which answers a bounded number of ranges at a time.

use practice_contract::handled::Handled;

/// Reads what a consumer has handled in these partitions. `ask` sends `GET /handled` with a query; `None`: it does not answer.
pub async fn read_ledger(
    partitions: &[(String, i32)],
    mut ask: impl AsyncFnMut(&str) -> Option<Handled>,
) -> Option<Handled> {
    let mut all = ask("").await?;
    if !all.more {
        return Some(all);
    }
    all.ranges.clear();
    for (topic, partition) in partitions {
        let mut from = 0;
        loop {
            let query = format!("topic={topic}&partition={partition}&from={from}");
            let mut answer = ask(&query).await?;
            let next = answer.ranges.last().map(|range| range.to + 1);
            all.ranges.append(&mut answer.ranges);
            match next {
                Some(next) if answer.more && next > from => from = next,
                _ => break,
            }
        }
    }
    Some(all)
}
