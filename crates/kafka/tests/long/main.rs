//! Assignments as Kafka makes them against the prediction of `practice_groups::assign`, for the members that Kafka shows: 200 random cases
//! at least for each assignor. In: real clients in many groups at once on one broker, whose KIP-848 heartbeat is 1 s. Out: rows of
//! the table of figures. Every disagreement is printed, and one is enough to fail.

mod crew;
#[path = "../../../../operator/tests/common/figures.rs"]
#[expect(dead_code, reason = "what other figures need")]
mod figures;
mod random;
mod uniform;

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use krafka::admin::AdminClient;
use practice_contract::Assignor;
use practice_groups::assign::{
    Assignment, Change, Holder, Moves, Newcomers, Owned, Topics, cooperative_sticky, moved, moves,
    range, round_robin,
};
use practice_kafka::Kafka;
use practice_testbed::Kafka as Broker;
use tokio::{
    runtime::{Builder, Runtime},
    sync::OnceCell,
};

use crew::{Crew, Kind, Seen, owned};
use figures::{Bound, hold};
use random::Random;

/// Cases of each assignor.
const CASES: usize = 200;
/// Groups at once, each with six members at most.
const GROUPS: usize = 12;
const MEMBERS: usize = 6;
/// Topics that groups share have 1 to so many partitions.
const LARGEST: i32 = 12;
/// Changes of members in the life of a group.
const CHANGES: usize = 5;

fn print_line(line: &str) {
    eprintln!("{line}");
}

/// The broker of all tests here, and topics of every size.
async fn broker() -> &'static Broker {
    static BROKER: OnceCell<Broker> = OnceCell::const_new();
    BROKER
        .get_or_init(async || {
            let broker = Broker::start_with_quick_heartbeats().await;
            for count in 1..=LARGEST {
                broker.create_topic(&shared(count), count).await;
            }
            broker
        })
        .await
}

fn shared(partitions: i32) -> String {
    format!("of-{partitions:02}")
}

/// What was seen of one assignor.
#[derive(Debug, Default)]
struct Tally {
    /// Cases that can be judged.
    cases: usize,
    /// Cases in which Kafka did as predicted.
    agreed: usize,
    /// Cases in which each partition went where it was predicted, although that is not promised.
    to_the_partition: usize,
    disagreements: Vec<String>,
}

impl Tally {
    fn note(&mut self, agreed: Result<(), String>) {
        self.cases += 1;
        match agreed {
            Ok(()) => self.agreed += 1,
            Err(why) => self.disagreements.push(why),
        }
    }
}

/// What one thread has.
struct Desk<'a> {
    bootstrap: &'a str,
    runtime: &'a Runtime,
    admin: AdminClient,
    kafka: Kafka,
}

/// Lives of groups, many at once, until there are cases enough.
fn lives(what: &str, life: impl Fn(&Desk<'_>, u64, &mut Random, &Mutex<Tally>) + Sync) {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .expect("a clock")
                .as_micros();
            u64::try_from(now % u128::from(u32::MAX)).expect("small")
        });
    print_line(&format!(
        "{what}: seed {seed} (SEED={seed} begins alike; ids of members are Kafka's own)"
    ));
    let begun = Instant::now();
    let bootstrap = Runtime::new()
        .expect("a runtime")
        .block_on(async { broker().await.bootstrap().to_owned() });
    let (tally, number) = (Mutex::new(Tally::default()), AtomicU64::new(0));
    let enough = || {
        let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.cases >= CASES || tally.disagreements.len() > 10
    };
    std::thread::scope(|threads| {
        for _ in 0..GROUPS {
            threads.spawn(|| {
                let runtime = Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime");
                let admin = runtime.block_on(async {
                    let kafka = krafka::Kafka::builder(bootstrap.as_str())
                        .client_id("assignments")
                        .connect()
                        .await;
                    kafka.expect("Kafka answers").admin()
                });
                let kafka = Kafka::connect(&bootstrap);
                let desk = Desk {
                    bootstrap: &bootstrap,
                    runtime: &runtime,
                    admin,
                    kafka,
                };
                while !enough() {
                    let number = number.fetch_add(1, Ordering::Relaxed);
                    life(
                        &desk,
                        number,
                        &mut Random::new(seed ^ (number << 32)),
                        &tally,
                    );
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    for disagreement in &tally.disagreements {
        print_line(&format!("{what}: {disagreement}"));
    }
    let Tally {
        cases,
        agreed,
        to_the_partition,
        ..
    } = tally;
    let exact = if to_the_partition > 0 {
        format!(", in {to_the_partition} to the partition")
    } else {
        String::new()
    };
    let took = begun.elapsed().as_secs();
    let how = format!(
        "of {cases} random cases{exact}, {GROUPS} groups at once of up to {MEMBERS} members, {took} s, seed {seed}"
    );
    let count = f64::from(u32::try_from(agreed).expect("few"));
    let least = f64::from(u32::try_from(CASES).expect("few"));
    hold(
        &format!("assignments as predicted, {what}"),
        count,
        "cases",
        Bound::AtLeast(least),
        1.0,
        &how,
    );
    assert!(
        tally.disagreements.is_empty(),
        "{} of {cases} cases disagree, see above",
        tally.disagreements.len()
    );
}

/// One to three of the topics that groups share.
fn some_topics(random: &mut Random) -> Topics {
    let count = random.between(1, 3);
    let number = |random: &mut Random| i32::try_from(random.between(1, 12)).expect("small");
    (0..count)
        .map(|_| number(random))
        .map(|partitions| (shared(partitions), partitions))
        .collect()
}

/// The life of a group on topics that exist: `check` sees each rest, and what was before it.
fn life_of(
    kind: Kind,
    check: impl Fn(&Topics, Option<(&[Seen], &Step)>, &[Seen]) -> Option<Result<(), String>> + Sync,
) -> impl Fn(&Desk<'_>, u64, &mut Random, &Mutex<Tally>) + Sync {
    move |desk, number, random, tally| {
        let topics = some_topics(random);
        let names = topics.keys().cloned().collect();
        let group = format!("{kind:?}-{number}");
        let mut crew = Crew::new(
            kind,
            group,
            names,
            desk.bootstrap,
            &desk.admin,
            desk.runtime,
        );
        for _ in 0..random.between(1, 4) {
            crew.join(random);
        }
        let mut before = crew.settled(&topics);
        let note = |result: Option<Result<(), String>>| {
            if let Some(result) = result {
                tally
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .note(result);
            }
        };
        note(check(&topics, None, &before));
        for _ in 0..CHANGES {
            let step = change(&mut crew, random);
            let after = crew.settled(&topics);
            note(check(&topics, Some((before.as_slice(), &step)), &after));
            before = after;
        }
    }
}

/// Who came and went between two rests.
#[derive(Debug)]
struct Step {
    /// The client that left.
    left: Option<String>,
    joined: usize,
}

fn change(crew: &mut Crew<'_>, random: &mut Random) -> Step {
    let members = crew.len();
    let grows = members == 1 || (members < MEMBERS && random.between(0, 1) == 0);
    if grows {
        let joined = random.between(1, (MEMBERS - members).min(2));
        (0..joined).for_each(|_| crew.join(random));
        return Step { left: None, joined };
    }
    Step {
        left: Some(crew.leave(random)),
        joined: 0,
    }
}

/// The predicted range of moved partitions; the members that leave are known here.
fn predicted(assignor: Assignor, topics: &Topics, before: &[Seen], step: &Step) -> Moves {
    let leaves = |member: &Seen| step.left.as_ref() == Some(&member.client);
    let holders: Vec<Holder<'_>> = before
        .iter()
        .map(|member| Holder {
            id: member.id.clone(),
            owned: Owned::These(
                member
                    .owned
                    .iter()
                    .map(|(topic, number)| (topic.as_str(), *number))
                    .collect(),
            ),
            row: usize::from(leaves(member)),
        })
        .collect();
    let leave = [0, before.iter().filter(|member| leaves(member)).count()];
    let newcomers = Newcomers::Anywhere;
    moves(
        &holders,
        &Change {
            assignor,
            topics,
            leave: &leave,
            join: step.joined,
            newcomers,
        },
    )
}

/// The moved partitions are within the predicted range.
fn moved_as_predicted(
    assignor: Assignor,
    topics: &Topics,
    (before, step): (&[Seen], &Step),
    after: &[Seen],
) -> Result<(), String> {
    let predicted = predicted(assignor, topics, before, step);
    let moved = moved(&owned(before), &owned(after));
    if (predicted.least..=predicted.most).contains(&moved) {
        return Ok(());
    }
    Err(format!(
        "{moved} moved, predicted {predicted:?}: {topics:?}, {step:?}, {before:#?} -> {after:#?}"
    ))
}

fn even(members: &[Seen]) -> Result<(), String> {
    let counts = || members.iter().map(|member| member.owned.len());
    let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
    if most <= least + 1 {
        Ok(())
    } else {
        Err(format!("not in balance: {members:#?}"))
    }
}

fn exactly(predicted: &Assignment, seen: &[Seen]) -> Result<(), String> {
    let seen = owned(seen);
    if *predicted == seen {
        Ok(())
    } else {
        Err(format!("predicted {predicted:#?}, Kafka made {seen:#?}"))
    }
}

fn ids(members: &[Seen]) -> Vec<&str> {
    members.iter().map(|member| member.id.as_str()).collect()
}

type Divide = fn(&[&str], &Topics) -> Assignment;

/// Assignors that ask for nothing but ids: each rest is a case, and what moved to it has to be within the prediction.
fn by_ids(what: &str, kind: Kind, assignor: Assignor, divide: Divide) {
    lives(
        what,
        life_of(kind, move |topics, before, after| {
            let moved = before.map_or(Ok(()), |before| {
                moved_as_predicted(assignor, topics, before, after)
            });
            Some(exactly(&divide(&ids(after), topics), after).and(moved))
        }),
    );
}

#[test]
fn range_of_classic_groups() {
    by_ids("range, Classic", Kind::Range, Assignor::Range, range);
}

#[test]
fn round_robin_of_classic_groups() {
    by_ids(
        "round-robin",
        Kind::RoundRobin,
        Assignor::RoundRobin,
        round_robin,
    );
}

#[test]
fn range_of_kip_848_groups() {
    by_ids(
        "range, KIP-848",
        Kind::ConsumerRange,
        Assignor::Range,
        range,
    );
}

#[test]
fn cooperative_sticky_in_balance_and_moves() {
    let exact = AtomicU64::new(0);
    lives(
        "cooperative-sticky, balance and moves",
        |desk, number, random, tally| {
            life_of(Kind::CooperativeSticky, |topics, before, after| {
                let Some((members, step)) = before else {
                    return even(after).err().map(Err);
                };
                // members that join together may be seen one by one
                if step.joined < 2 {
                    let mut owned = owned(members);
                    owned.retain(|id, _| after.iter().any(|member| member.id == *id));
                    owned.extend(
                        after
                            .iter()
                            .filter(|new| members.iter().all(|old| old.id != new.id))
                            .map(|new| (new.id.clone(), Vec::new())),
                    );
                    if exactly(&cooperative_sticky(&owned, topics), after).is_ok() {
                        exact.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Some(even(after).and_then(|()| {
                    moved_as_predicted(Assignor::CooperativeSticky, topics, (members, step), after)
                }))
            })(desk, number, random, tally);
            let exact = usize::try_from(exact.load(Ordering::Relaxed)).expect("few");
            tally
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .to_the_partition = exact;
        },
    );
}
