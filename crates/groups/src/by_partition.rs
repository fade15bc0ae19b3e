//! A value for each of some partitions. A topic's name is kept once, numbers and values in an array for each topic: a Kafka has tens
//! of thousands of pairs of a group and a partition, and a map with the topic's name in each key takes many times the memory.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::Partition;

/// Topic and partition number, borrowed.
pub type At<'a> = (&'a str, i32);

/// A partition, borrowed.
pub fn at((topic, number): &Partition) -> At<'_> {
    (topic, *number)
}

/// A partition of its own.
pub fn owned((topic, number): At<'_>) -> Partition {
    (topic.to_owned(), number)
}

/// Values by partition, in the order of topics and numbers. No topic is without a partition. A copy shares the values of each topic
/// until one of the two changes them.
#[derive(Clone, PartialEq, Eq)]
pub struct ByPartition<T>(BTreeMap<String, Arc<Values<T>>>);

/// The values of a topic, by number. Numbers and values are apart: together most of them would take 4 bytes more.
#[derive(Clone, PartialEq, Eq)]
struct Values<T> {
    /// Sorted.
    numbers: Vec<i32>,
    /// In the order of the numbers.
    values: Vec<T>,
}

impl<T> Values<T> {
    /// The place of a number, or where it belongs.
    fn place(&self, number: i32) -> Result<usize, usize> {
        self.numbers.binary_search(&number)
    }
}

/// Some partitions.
pub type PartitionSet = ByPartition<()>;

impl<T> Default for ByPartition<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: fmt::Debug> fmt::Debug for ByPartition<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<T> ByPartition<T> {
    /// The value of a partition.
    pub fn get(&self, (topic, number): At<'_>) -> Option<&T> {
        let all = self.0.get(topic)?;
        Some(&all.values[all.place(number).ok()?])
    }

    /// Whether a partition has a value.
    pub fn contains(&self, at: At<'_>) -> bool {
        self.get(at).is_some()
    }

    /// The partitions and their values.
    pub fn iter(&self) -> impl Iterator<Item = (At<'_>, &T)> {
        self.0.iter().flat_map(|(topic, all)| {
            let numbers = all.numbers.iter();
            let each = numbers.map(move |number| (topic.as_str(), *number));
            each.zip(&all.values)
        })
    }

    /// The partitions.
    pub fn keys(&self) -> impl Iterator<Item = At<'_>> {
        self.iter().map(|(at, _)| at)
    }

    /// The topics of the partitions.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.values().flat_map(|all| &all.values)
    }

    /// How many partitions have a value.
    pub fn len(&self) -> usize {
        self.0.values().map(|all| all.numbers.len()).sum()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: PartialEq> ByPartition<T> {
    /// Takes the values of topics that are the same from another map, so that both are kept once.
    pub fn share(&mut self, other: &Self) {
        for (topic, all) in &mut self.0 {
            if let Some(same) = other.0.get(topic).filter(|same| *same == all) {
                all.clone_from(same);
            }
        }
    }
}

impl<T: Clone> ByPartition<T> {
    /// The value of a partition, to be changed.
    pub fn get_mut(&mut self, (topic, number): At<'_>) -> Option<&mut T> {
        let all = Arc::make_mut(self.0.get_mut(topic)?);
        let place = all.place(number).ok()?;
        Some(&mut all.values[place])
    }

    /// The value of a partition; one without gets this.
    pub fn get_or_insert_with(
        &mut self,
        (topic, number): At<'_>,
        new: impl FnOnce() -> T,
    ) -> &mut T {
        // an entry would need a name of its own for each lookup
        if !self.0.contains_key(topic) {
            let (numbers, values) = (Vec::new(), Vec::new());
            self.0
                .insert(topic.to_owned(), Arc::new(Values { numbers, values }));
        }
        let all = Arc::make_mut(self.0.get_mut(topic).expect("was inserted"));
        let place = all.place(number).unwrap_or_else(|place| {
            all.numbers.insert(place, number);
            all.values.insert(place, new());
            place
        });
        &mut all.values[place]
    }

    /// Sets the value of a partition.
    pub fn insert(&mut self, at: At<'_>, value: T) {
        let mut value = Some(value);
        let there = self.get_or_insert_with(at, || value.take().expect("is asked for once"));
        if let Some(value) = value {
            *there = value;
        }
    }

    /// Keeps the partitions for which this holds.
    pub fn retain(&mut self, mut holds: impl FnMut(At<'_>, &mut T) -> bool) {
        self.0.retain(|topic, all| {
            let all = Arc::make_mut(all);
            let mut values = all.values.iter_mut();
            let mut kept = Vec::with_capacity(all.numbers.len());
            all.numbers.retain(|number| {
                let value = values.next().expect("each number has a value");
                kept.push(holds((topic, *number), value));
                kept.last() == Some(&true)
            });
            let mut kept = kept.into_iter();
            all.values.retain(|_| kept.next() == Some(true));
            !all.numbers.is_empty()
        });
    }

    /// Keeps the topics for which this holds.
    pub fn retain_topics(&mut self, mut holds: impl FnMut(&str) -> bool) {
        self.0.retain(|topic, _| holds(topic));
    }

    /// The partitions and their values, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (At<'_>, &mut T)> {
        self.0.iter_mut().flat_map(|(topic, all)| {
            let all = Arc::make_mut(all);
            let numbers = all.numbers.iter();
            let each = numbers.map(move |number| (topic.as_str(), *number));
            each.zip(&mut all.values)
        })
    }

    /// Gives back memory that is not used.
    pub fn shrink(&mut self) {
        for all in self.0.values_mut().map(Arc::make_mut) {
            all.numbers.shrink_to_fit();
            all.values.shrink_to_fit();
        }
    }
}

impl<T> FromIterator<(Partition, T)> for ByPartition<T> {
    /// The last value of a partition counts.
    fn from_iter<I: IntoIterator<Item = (Partition, T)>>(pairs: I) -> Self {
        let mut all: BTreeMap<String, Vec<(i32, T)>> = BTreeMap::new();
        for ((topic, number), value) in pairs {
            match all.get_mut(&topic) {
                Some(values) => values.push((number, value)),
                None => drop(all.insert(topic, vec![(number, value)])),
            }
        }
        let sorted = |mut values: Vec<(i32, T)>| {
            values.reverse(); // of two with one number the sort keeps this order, and the first stays
            values.sort_by_key(|(number, _)| *number);
            values.dedup_by_key(|(number, _)| *number);
            let mut all = Values {
                numbers: Vec::with_capacity(values.len()),
                values: Vec::with_capacity(values.len()),
            };
            for (number, value) in values {
                all.numbers.push(number);
                all.values.push(value);
            }
            all
        };
        let all = all.into_iter();
        Self(
            all.map(|(topic, values)| (topic, Arc::new(sorted(values))))
                .collect(),
        )
    }
}

impl<T, const N: usize> From<[(Partition, T); N]> for ByPartition<T> {
    fn from(pairs: [(Partition, T); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl FromIterator<Partition> for PartitionSet {
    fn from_iter<I: IntoIterator<Item = Partition>>(partitions: I) -> Self {
        partitions
            .into_iter()
            .map(|partition| (partition, ()))
            .collect()
    }
}

impl From<Vec<Partition>> for PartitionSet {
    fn from(partitions: Vec<Partition>) -> Self {
        partitions.into_iter().collect()
    }
}

/// A list of pairs of a topic and a number.
impl Serialize for PartitionSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.keys())
    }
}

impl<'de> Deserialize<'de> for PartitionSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Partition>::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_as_a_map_whose_keys_are_partitions() {
        let (mut map, mut model) = (ByPartition::default(), BTreeMap::new());
        let mut seed = 1_u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % below
        };
        for step in 0..2_000_u32 {
            let topic = ["a", "a-b", "b"][random(3) as usize];
            let number = i32::try_from(random(20)).expect("is small") - 2;
            match random(10) {
                0 => {
                    map.retain(|at, _| at.1 != number);
                    model.retain(|at: &Partition, _| at.1 != number);
                }
                1 => {
                    map.retain_topics(|there| there != topic);
                    model.retain(|at, _| at.0 != topic);
                }
                2 => {
                    let one = *map.get_or_insert_with((topic, number), || step);
                    let other = *model.entry(owned((topic, number))).or_insert(step);
                    assert_eq!(one, other);
                }
                _ => {
                    map.insert((topic, number), step);
                    model.insert(owned((topic, number)), step);
                }
            }
            let pairs = map.iter().map(|(at, value)| (owned(at), *value));
            assert!(pairs.eq(model.clone()), "{map:?} {model:?}");
            assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
            assert_eq!(map.get((topic, number)), model.get(&owned((topic, number))));
        }
        let (mut same, before) = (map.clone(), map.clone());
        let shares = |one: &ByPartition<u32>, other: &ByPartition<u32>| {
            let both = one.0.values().zip(other.0.values());
            both.map(|(one, other)| Arc::ptr_eq(one, other))
                .collect::<Vec<_>>()
        };
        assert_eq!(shares(&same, &before), [true; 3]);
        same.insert(("b", 0), 7);
        assert_eq!(shares(&same, &before), [true, true, false]);
        let mut read: ByPartition<u32> =
            same.iter().map(|(at, value)| (owned(at), *value)).collect();
        assert_eq!(shares(&read, &same), [false; 3]);
        read.share(&before);
        assert_eq!(shares(&read, &before), [true, true, false]);
        assert!(read == same && read != before);
        let twice = [("a", 2), ("b", 1), ("a", 1), ("a", 2)].map(owned);
        let last: ByPartition<usize> = twice.into_iter().zip(0..).collect();
        let expected = [(("a", 1), &2), (("a", 2), &3), (("b", 1), &1)];
        assert!(last.iter().eq(expected), "{last:?}");
    }
}
