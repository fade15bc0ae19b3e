//! Whether a group gets on, partition by partition: the rules of Burrow's evaluator
//! (<https://github.com/linkedin/Burrow/wiki/Consumer-Lag-Evaluation-Rules>), which needs no threshold, on what looks tell.
//! Pure. In: looks, each with a tick, a time that only grows. Out: a [`PartitionHealth`] for a partition.
//! Burrow sees the commits themselves; a look sees where they stand. So a commit that repeats an offset is none here, a
//! partition without an owner is what tells [`PartitionHealth::Unassigned`] from [`PartitionHealth::Stalled`], and a rewind counts for a while even
//! if the group has caught up since. Bounded: a few points for each partition, however long it runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use practice_contract::OffsetReset;

use crate::{
    lag::Lag,
    model::{GroupSeen, GroupState, Partition, Snapshot, TopicSeen},
};

/// For so long nothing may happen before it is called a fault; for so long lag has to grow before it is called one.
pub const WINDOW: Duration = Duration::from_mins(1);
/// Times that the slowest message may take before its consumer is said to stand still.
const PATIENCE: u32 = 3;
/// Points of a lag's history in a window, each at a commit, as Burrow's ring has them.
const POINTS: u32 = 10;
/// Looks that lie further apart, in parts of a window, were not made: time in which nobody looked does not count.
const BLIND: u32 = 6;
/// Fewer commits are no trend.
const TREND: usize = 4;

/// What is the matter with a partition, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthState {
    /// It is read as it should be.
    Healthy,
    /// It is read, but more slowly than it is written.
    Lagging,
    /// Its commit went back.
    Rewound,
    /// It has an owner, messages wait, and nothing is committed.
    Stalled,
    /// It has no owner, and messages wait.
    Unassigned,
}

impl HealthState {
    /// All of them, from best to worst.
    pub const ALL: [Self; 5] = [
        Self::Healthy,
        Self::Lagging,
        Self::Rewound,
        Self::Stalled,
        Self::Unassigned,
    ];

    /// The health of a word, as it stands in status; `None`: no word of this version.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|health| health.word() == word)
    }

    /// Burrow's word, as it stands in status.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Lagging => "Lagging",
            Self::Rewound => "Rewound",
            Self::Stalled => "Stalled",
            Self::Unassigned => "Unassigned",
        }
    }

    /// Whether nobody reads what waits; otherwise it is read, be it too slowly or again.
    #[must_use]
    pub fn is_standstill(self) -> bool {
        matches!(self, Self::Stalled | Self::Unassigned)
    }
}

/// What was found about one partition of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionHealth {
    /// Nothing is the matter.
    Healthy,
    /// Its lag has only grown, over so long a time.
    Lagging {
        /// How long.
        within: Duration,
    },
    /// Its commit went back.
    Rewound {
        /// The offset that was committed before.
        from: i64,
        /// The one after it.
        to: i64,
        /// Its topic was deleted and made again in between: its offsets begin at 0.
        made_anew: bool,
        /// How long ago.
        age: Duration,
    },
    /// Nothing was committed although it has an owner.
    Stalled {
        /// For how long.
        age: Duration,
    },
    /// Nobody owns it.
    Unassigned {
        /// For how long.
        age: Duration,
    },
}

impl PartitionHealth {
    /// It in a word.
    #[must_use]
    pub fn health(self) -> HealthState {
        match self {
            Self::Healthy => HealthState::Healthy,
            Self::Lagging { .. } => HealthState::Lagging,
            Self::Rewound { .. } => HealthState::Rewound,
            Self::Stalled { .. } => HealthState::Stalled,
            Self::Unassigned { .. } => HealthState::Unassigned,
        }
    }

    /// How long it has been so; `None` for [`PartitionHealth::Healthy`].
    #[must_use]
    pub fn age(self) -> Option<Duration> {
        match self {
            Self::Healthy => None,
            Self::Lagging { within: age }
            | Self::Rewound { age, .. }
            | Self::Stalled { age }
            | Self::Unassigned { age } => Some(age),
        }
    }
}

/// The partitions of a group, judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupHealth {
    /// Those of which enough was seen.
    pub partitions: BTreeMap<Partition, PartitionHealth>,
    /// When a finding may become another one although nothing moves.
    pub again: Option<Duration>,
}

/// What is kept of the looks at one Kafka.
#[derive(Debug)]
pub struct HealthHistory {
    window: Duration,
    now: Duration,
    groups: BTreeMap<String, BTreeMap<Partition, Course>>,
}

impl Default for HealthHistory {
    fn default() -> Self {
        Self::within(WINDOW)
    }
}

/// How a partition has fared.
#[derive(Debug)]
struct Course {
    topic_id: String,
    /// Its topic has another id than when it was last committed to.
    made_anew: bool,
    begun: Duration,
    /// When it was last looked at.
    seen: Duration,
    committed: Option<i64>,
    moved: Duration,
    /// Since when messages wait, without a break.
    behind: Option<Duration>,
    /// Its owner's member id (`None`: nobody), and since when; `None`: nobody has said yet.
    owner: Option<(Option<String>, Duration)>,
    back: Option<Back>,
    /// Lags at commits, oldest first.
    points: Vec<(Duration, i64)>,
}

#[derive(Debug, Clone, Copy)]
struct Back {
    at: Duration,
    from: i64,
    to: i64,
    made_anew: bool,
}

impl HealthHistory {
    /// With another window than [`WINDOW`].
    #[must_use]
    pub fn within(window: Duration) -> Self {
        Self {
            window,
            now: Duration::ZERO,
            groups: BTreeMap::new(),
        }
    }

    /// Takes in a look.
    pub fn feed(&mut self, snapshot: &Snapshot, tick: Duration) {
        self.now = self.now.max(tick);
        self.groups
            .retain(|group, _| snapshot.groups.contains_key(group));
        for (id, group) in &snapshot.groups {
            let Some(committed) = &group.committed else {
                continue;
            };
            let courses = self.groups.entry(id.clone()).or_default();
            let owners = owners(group);
            let mut concerned: BTreeSet<&Partition> = committed.keys().collect();
            concerned.extend(owners.iter().flat_map(BTreeMap::keys).copied());
            // a topic that is gone for a while may come back as another one
            courses.retain(|(topic, _), _| snapshot.topics.contains_key(topic));
            concerned.retain(|partition| !courses.contains_key(*partition));
            let present = |partition: &Partition| match snapshot.topics.get(&partition.0) {
                Some(TopicSeen::Present(facts)) => Some(facts),
                _ => None,
            };
            let now = self.now;
            let come = concerned
                .into_iter()
                .filter_map(|partition| Some((partition, present(partition)?)));
            courses.extend(
                come.map(|(partition, facts)| (partition.clone(), Course::begin(&facts.id, now))),
            );
            for (partition, course) in courses.iter_mut() {
                let Some(facts) = present(partition) else {
                    continue;
                };
                course.resume(now, self.window / BLIND);
                if course.topic_id != facts.id {
                    course.topic_id.clone_from(&facts.id);
                    course.made_anew = true;
                }
                course.commit(
                    committed.get(partition).map(|committed| committed.offset),
                    now,
                );
                let lag = snapshot.lag(group, partition, OffsetReset::Earliest);
                course.see(
                    owners.as_ref().map(|owners| (owners, partition)),
                    lag,
                    now,
                    self.window,
                );
            }
        }
    }

    /// What is the matter with the partitions of a group in these topics at `tick`, by the look that was fed last,
    /// `snapshot`. `slowest`: what a message may cost its consumer. A partition of which not enough was seen is left out.
    pub fn judge(
        &mut self,
        snapshot: &Snapshot,
        group: &str,
        topics: &[String],
        (reset, slowest): (OffsetReset, Duration),
        tick: Duration,
    ) -> GroupHealth {
        let mut judged = GroupHealth::default();
        let Some(seen) = snapshot
            .groups
            .get(group)
            .filter(|seen| seen.committed.is_some())
        else {
            return judged;
        };
        let courses = self.groups.entry(group.to_owned()).or_default();
        let owners = owners(seen);
        let (now, window) = (self.now.max(tick), self.window.max(slowest * PATIENCE));
        let busy = busy(courses.values());
        for topic in topics {
            let Some(TopicSeen::Present(facts)) = snapshot.topics.get(topic) else {
                continue;
            };
            for number in (0..).take(facts.partitions.len()) {
                let partition = (topic.clone(), number);
                let lag = snapshot.lag(seen, &partition, reset);
                let Some(behind) = lag.effective() else {
                    continue;
                };
                // neither committed to nor owned so far: no look of the group alone tells that it is one of its own
                let course = courses.entry(partition.clone()).or_insert_with(|| {
                    let mut course = Course::begin(&facts.id, now);
                    course.see(
                        owners.as_ref().map(|owners| (owners, &partition)),
                        lag,
                        now,
                        self.window,
                    );
                    course
                });
                let (finding, again) = course.judge(behind, now, (window, self.window), &busy);
                judged.again = judged.again.into_iter().chain(again).min();
                if let Some(finding) = finding {
                    judged.partitions.insert(partition, finding);
                }
            }
        }
        judged
    }
}

/// When the owner of any of these partitions last committed something new, by its member id.
fn busy<'a>(courses: impl Iterator<Item = &'a Course>) -> BTreeMap<String, Duration> {
    let mut busy: BTreeMap<String, Duration> = BTreeMap::new();
    for course in courses {
        let Some((Some(owner), _)) = &course.owner else {
            continue;
        };
        match busy.get_mut(owner) {
            Some(newest) => *newest = course.moved.max(*newest),
            None => drop(busy.insert(owner.clone(), course.moved)),
        }
    }
    busy
}

/// Member ids, by what they own.
type Owners<'a> = BTreeMap<&'a Partition, &'a str>;

/// Who owns what; `None`: not known now.
fn owners(group: &GroupSeen) -> Option<Owners<'_>> {
    let known = group.state != GroupState::Unknown && group.tells_owners();
    known.then(|| {
        let each = group.members.iter().flat_map(|member| {
            let owned = member.partitions.iter().flatten();
            owned.map(|partition| (partition, member.member_id.as_str()))
        });
        each.collect()
    })
}

impl Course {
    fn begin(topic_id: &str, now: Duration) -> Self {
        Self {
            topic_id: topic_id.to_owned(),
            made_anew: false,
            begun: now,
            seen: now,
            committed: None,
            moved: now,
            behind: None,
            owner: None,
            back: None,
            points: Vec::new(),
        }
    }

    /// It is looked at again. What lay more than `longest` behind was seen by nobody, and may as well not have been.
    fn resume(&mut self, now: Duration, longest: Duration) {
        let gap = now.saturating_sub(self.seen);
        self.seen = now;
        if gap > longest {
            let times = [&mut self.begun, &mut self.moved]
                .into_iter()
                .chain(self.behind.as_mut());
            let times = times.chain(self.owner.as_mut().map(|(_, since)| since));
            let times = times.chain(self.back.as_mut().map(|back| &mut back.at));
            times
                .chain(self.points.iter_mut().map(|(at, _)| at))
                .for_each(|at| *at += gap);
        }
    }

    /// Without a commit what was committed last still counts: who deletes commits sends the group back.
    fn commit(&mut self, offset: Option<i64>, now: Duration) {
        let Some(offset) = offset.filter(|offset| self.committed != Some(*offset)) else {
            return;
        };
        if let Some(from) = self.committed.filter(|from| offset < *from) {
            self.back = Some(Back {
                at: now,
                from,
                to: offset,
                made_anew: self.made_anew,
            });
            self.points.clear();
        }
        (self.committed, self.moved, self.made_anew) = (Some(offset), now, false);
    }

    /// `owners`: who owns what, if that is known, and which partition this is.
    fn see(
        &mut self,
        owners: Option<(&Owners, &Partition)>,
        lag: Lag,
        now: Duration,
        window: Duration,
    ) {
        if let Some((owners, partition)) = owners {
            self.own(owners.get(partition).copied(), now);
        }
        self.lag(lag, now, window / POINTS);
    }

    fn own(&mut self, owner: Option<&str>, now: Duration) {
        if self
            .owner
            .as_ref()
            .is_none_or(|(former, _)| former.as_deref() != owner)
        {
            self.owner = Some((owner.map(str::to_owned), now));
        }
    }

    fn lag(&mut self, lag: Lag, now: Duration, apart: Duration) {
        match lag.effective() {
            None => {}
            Some(0) => {
                self.behind = None;
                self.points.clear();
            }
            Some(behind) => {
                self.behind.get_or_insert(now);
                let last = self.points.last().map(|(at, _)| *at);
                if self.moved == now
                    && self.committed.is_some()
                    && last.is_none_or(|last| now.saturating_sub(last) >= apart)
                {
                    if self.points.len() > POINTS as usize {
                        self.points.remove(0);
                    }
                    self.points.push((now, behind));
                }
            }
        }
    }

    /// And when it may be another one although nothing moves. `window`: for so long nothing may happen; `trend`: for so long lag has
    /// to grow. `busy`: when owners last committed; one that works off another partition does not hang.
    fn judge(
        &self,
        behind: i64,
        now: Duration,
        (window, trend): (Duration, Duration),
        busy: &BTreeMap<String, Duration>,
    ) -> (Option<PartitionHealth>, Option<Duration>) {
        let age = |since: Duration| now.saturating_sub(since);
        if let Some(Back {
            at,
            from,
            to,
            made_anew,
        }) = self.back.filter(|back| age(back.at) < window)
        {
            return (
                Some(PartitionHealth::Rewound {
                    from,
                    to,
                    made_anew,
                    age: age(at),
                }),
                Some(window.saturating_sub(age(at))),
            );
        }
        let Some(since) = self.behind.filter(|_| behind > 0) else {
            return (Some(PartitionHealth::Healthy), None);
        };
        let owned = self
            .owner
            .as_ref()
            .map_or(Duration::ZERO, |(_, since)| *since);
        let elsewhere = self
            .owner
            .as_ref()
            .and_then(|(owner, _)| busy.get(owner.as_ref()?))
            .copied()
            .unwrap_or_default();
        let still = age(since.max(self.moved).max(owned).max(elsewhere));
        let finding = match (still >= window, &self.owner) {
            (true, None) => None,
            (true, Some((Some(_), _))) => Some(PartitionHealth::Stalled { age: still }),
            (true, Some((None, _))) => Some(PartitionHealth::Unassigned { age: still }),
            (false, _) => match self.grows(window, trend) {
                Some(since) => Some(PartitionHealth::Lagging { within: age(since) }),
                None => (age(self.begun) >= window).then_some(PartitionHealth::Healthy),
            },
        };
        let left = [still, age(self.begun)]
            .into_iter()
            .filter_map(|age| window.checked_sub(age));
        (finding, left.filter(|left| !left.is_zero()).min())
    }

    /// Since when its lag has never been smaller at a commit than at the one before, and is larger now.
    fn grows(&self, window: Duration, trend: Duration) -> Option<Duration> {
        // a pause between two commits ends a trend
        let is_pause = |two: &[(Duration, i64)]| two[1].0.saturating_sub(two[0].0) > window;
        let from = self
            .points
            .windows(2)
            .rposition(is_pause)
            .map_or(0, |pause| pause + 1);
        let points = &self.points[from..];
        let (&(begin, before), &(end, after)) = (points.first()?, points.last()?);
        let long = points.len() >= TREND && end.saturating_sub(begin) + trend / POINTS >= trend;
        (long && after > before && points.is_sorted_by_key(|(_, lag)| *lag)).then_some(begin)
    }
}

#[cfg(test)]
mod tests;
