//! Asks one consumer about all messages. In: a way to send it a query. Out: its whole answer, put together where one answer does not list all
//! ranges. Queries are divided by offsets and not by where a listing ended: ranges are listed in the order of time.

use std::collections::BTreeSet;

use practice_contract::handled::{Handled, HandledQuery};
use practice_groups::{At, handled::SentMessages};

/// What a consumer has handled of these messages. Without messages it is asked about none, and still says which process it is.
///
/// # Errors
/// Why it has not answered.
pub async fn ask_consumer(
    sent: &SentMessages,
    ask: impl AsyncFnMut(&HandledQuery) -> Result<Handled, String>,
) -> Result<Handled, String> {
    let windows: Vec<_> = sent.windows().collect();
    ask_windows(&windows, ask).await
}

/// What a consumer has handled between these offsets: for each partition the first and the last one.
///
/// # Errors
/// Why it has not answered.
pub async fn ask_windows(
    windows: &[(At<'_>, i64, i64)],
    mut ask: impl AsyncFnMut(&HandledQuery) -> Result<Handled, String>,
) -> Result<Handled, String> {
    let topics: BTreeSet<&str> = windows.iter().map(|((topic, _), ..)| *topic).collect();
    let topic = topics.first().filter(|_| topics.len() == 1);
    let all = HandledQuery {
        topic: topic.map(|topic| (*topic).to_owned()),
        partition: match windows {
            [((_, partition), ..)] => Some(*partition),
            _ => None,
        },
        from: Some(
            windows
                .iter()
                .map(|window| window.1)
                .min()
                .unwrap_or(i64::MAX),
        ),
        to: Some(
            windows
                .iter()
                .map(|window| window.2)
                .max()
                .unwrap_or(i64::MAX),
        ),
    };
    let mut answer = ask(&all).await?;
    if !answer.more {
        return Ok(answer);
    }
    answer.ranges.clear();
    let mut queries: Vec<HandledQuery> = windows
        .iter()
        .map(|((topic, partition), from, to)| HandledQuery {
            topic: Some((*topic).to_owned()),
            partition: Some(*partition),
            from: Some(*from),
            to: Some(*to),
        })
        .collect();
    while let Some(query) = queries.pop() {
        let part = ask(&query).await?;
        if part.started_at != answer.started_at {
            return Err("restarted while it was asked".to_owned());
        }
        let halves = part.more.then(|| halves(&query)).flatten();
        if let Some(halves) = halves {
            queries.extend(halves);
            continue;
        }
        answer.known_since = answer.known_since.max(part.known_since);
        answer.ranges.extend(part.ranges);
    }
    answer.more = false;
    Ok(answer)
}

/// The query in two; `None`: it is for one offset.
fn halves(query: &HandledQuery) -> Option<[HandledQuery; 2]> {
    let (from, to) = query.from.zip(query.to).filter(|(from, to)| from < to)?;
    let middle = from + (to - from) / 2;
    let first = HandledQuery {
        to: Some(middle),
        ..query.clone()
    };
    let second = HandledQuery {
        from: Some(middle + 1),
        ..query.clone()
    };
    Some([first, second])
}

#[cfg(test)]
mod tests {
    use practice_contract::handled::HandledRange;

    use super::*;

    /// A consumer of a partition with a range for each offset, that lists so many ranges at a time.
    fn listed(query: &HandledQuery, offsets: i64, most: usize) -> Handled {
        let is_asked = |offset: &i64| {
            query.from.is_none_or(|from| *offset >= from)
                && query.to.is_none_or(|to| *offset <= to)
                && query.partition.is_none_or(|partition| partition == 2)
        };
        // in the order of time, which is not that of offsets
        let mut ranges: Vec<HandledRange> = (0..offsets)
            .rev()
            .filter(is_asked)
            .map(|offset| HandledRange {
                topic: "t".to_owned(),
                partition: 2,
                from: offset,
                to: offset,
                count: 1,
                produced_at: None,
                taken_at: 1,
                done_at: 2,
                committed_at: None,
            })
            .collect();
        let more = ranges.len() > most;
        ranges.truncate(most);
        Handled {
            instance: "a".to_owned(),
            group: "g".to_owned(),
            started_at: 7,
            known_since: 7,
            ranges,
            more,
        }
    }

    #[tokio::test]
    async fn an_answer_that_does_not_list_all_is_put_together() {
        let mut sent = SentMessages::default();
        for (partition, offset) in [(2, 3), (2, 99), (1, 50)] {
            sent.add(("t", partition), offset, None);
        }
        for most in [1, 7, 96, 97, 1_000] {
            let mut asked = 0;
            let answer = ask_consumer(&sent, async |query| {
                asked += 1;
                Ok(listed(query, 200, most))
            });
            let answer = answer.await.expect("an answer");
            let mut offsets: Vec<i64> = answer.ranges.iter().map(|range| range.from).collect();
            offsets.sort_unstable();
            assert_eq!(offsets, (3..100).collect::<Vec<_>>(), "{most} at a time");
            assert_eq!(asked == 1, most >= 97, "{most} at a time");
        }
    }

    #[tokio::test]
    async fn one_that_restarts_while_it_is_asked_has_not_answered() {
        let mut sent = SentMessages::default();
        sent.add(("t", 2), 3, None);
        sent.add(("t", 2), 99, None);
        let mut process = 0;
        let answer = ask_consumer(&sent, async |query| {
            process += 1;
            let started_at = process;
            Ok(Handled {
                started_at,
                ..listed(query, 200, 7)
            })
        });
        answer.await.expect_err("two processes");
    }

    #[tokio::test]
    async fn without_messages_a_consumer_is_asked_about_none() {
        let sent = SentMessages::default();
        let ask = async |query: &HandledQuery| Ok(listed(query, 200, 1_000));
        let answer = ask_consumer(&sent, ask).await.expect("an answer");
        assert_eq!((answer.started_at, answer.ranges), (7, vec![]));
    }
}
