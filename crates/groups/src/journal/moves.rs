//! The partitions that a rebalance moved. In: moves. Out: the same, in their order; in JSON a list of moves. Neighbours that moved alike
//! are kept as one: after a start the partitions of a large topic all get their first owner, one of a few members.

use arcstr::ArcStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A partition that changed its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// Its topic.
    pub topic: ArcStr,
    /// Its number, from 0.
    pub partition: i32,
    /// Client id of its former owner; absent: it had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ArcStr>,
    /// Client id of its owner now; absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ArcStr>,
    /// Milliseconds without an owner, up to 49 days; absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unowned_ms: Option<u32>,
}

/// Partitions that changed their owner, in the order of their moves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moves(Vec<Run>);

/// Partitions with consecutive numbers that differ in nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    first: Move,
    /// How many they are.
    count: i32,
}

impl Run {
    fn partition(&self, at: i32) -> Move {
        Move {
            partition: self.first.partition.saturating_add(at),
            ..self.first.clone()
        }
    }
}

impl Moves {
    /// The moves.
    pub fn iter(&self) -> impl Iterator<Item = Move> + '_ {
        let runs = self.0.iter();
        runs.flat_map(|run| (0..run.count).map(|at| run.partition(at)))
    }

    /// How many partitions moved.
    pub fn len(&self) -> usize {
        let count = |run: &Run| usize::try_from(run.count).unwrap_or_default();
        self.0.iter().map(count).sum()
    }

    /// Whether none moved.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The times without an owner that are known, each at least once.
    pub(super) fn unowned_ms(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().filter_map(|run| run.first.unowned_ms)
    }

    /// Whether the time of one is not known.
    pub(super) fn is_open(&self) -> bool {
        self.0.iter().any(|run| run.first.unowned_ms.is_none())
    }
}

impl FromIterator<Move> for Moves {
    fn from_iter<I: IntoIterator<Item = Move>>(moves: I) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for next in moves {
            match runs.last_mut() {
                Some(run) if run.partition(run.count) == next => run.count += 1,
                _ => runs.push(Run {
                    first: next,
                    count: 1,
                }),
            }
        }
        runs.shrink_to_fit();
        Self(runs)
    }
}

impl Serialize for Moves {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Moves {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let moves = Vec::<Move>::deserialize(deserializer)?;
        Ok(moves.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_stay_as_they_are_and_neighbours_alike_are_kept_once() {
        let owned = |topic: &str, partition, to: &str, unowned_ms| Move {
            topic: topic.into(),
            partition,
            from: None,
            to: Some(to.into()),
            unowned_ms,
        };
        let moves = [
            owned("t", 0, "a", None),
            owned("t", 1, "a", None),
            owned("t", 2, "b", None),
            owned("t", 4, "b", None),
            owned("t", 5, "b", Some(7)),
            owned("t", 6, "b", Some(7)),
            owned("u", 7, "b", Some(7)),
            owned("u", i32::MAX, "b", None),
        ];
        let kept: Moves = moves.clone().into_iter().collect();
        assert!(kept.iter().eq(moves.clone()), "{kept:?}");
        assert_eq!((kept.len(), kept.0.len()), (8, 6));
        assert!(kept.is_open() && !kept.is_empty());
        assert_eq!(kept.unowned_ms().max(), Some(7));
        let json = serde_json::to_string(&kept).expect("is a list");
        assert_eq!(json, serde_json::to_string(&moves).expect("is a list"));
        let read: Moves = serde_json::from_str(&json).expect("was written so");
        assert_eq!(read, kept);
        let none = Moves::default();
        assert_eq!((none.len(), none.is_open()), (0, false));
    }
}
