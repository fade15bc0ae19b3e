//! Recorded learners, each with a thousand other delays and orders. A recording (`recorded/*.jsonl`) has one step: what local mode reported
//! while a learner did what the step asks for, or something like it.

use std::{collections::BTreeMap, fs, path::Path};

use practice_contract::handled::Handled;
use serde::Deserialize;

use super::*;
use crate::{lesson::lesson, observation::Answer};

/// Delays and orders of each recording.
const SEEDS: u64 = 1_000;
/// Longest delay of a part of an observation, in milliseconds.
const LONGEST: u64 = 5_000;

/// The first line of a recording.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    lesson: usize,
    step: usize,
    passes: bool,
}

/// A part of an observation, which arrives on its own.
#[derive(Debug, Clone)]
enum Part {
    Status(Box<practice_api::PracticeStatus>),
    Ledger(Handled),
    Answers(Vec<Answer>),
}

/// A generator of Marsaglia's xorshift kind: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// The parts of a recording in the order in which they arrive with these delays: each consumer, the status and the producer have delays of
/// their own. A part that was overtaken by a newer one of its kind is not reported any more.
fn arrivals(recorded: &[Observation], random: &mut Random) -> Vec<(i64, Part)> {
    let mut arrivals: Vec<(i64, i64, String, Part)> = Vec::new();
    for seen in recorded {
        let mut add = |kind: String, part: Part| {
            let delay = i64::try_from(random.below(LONGEST)).expect("is small");
            arrivals.push((seen.at + delay, seen.at, kind, part));
        };
        add(
            "status".to_owned(),
            Part::Status(Box::new(seen.status.clone())),
        );
        add("answers".to_owned(), Part::Answers(seen.answers.clone()));
        for ledger in &seen.handled {
            add(ledger.instance.clone(), Part::Ledger(ledger.clone()));
        }
    }
    arrivals.sort_by_key(|(at, made, ..)| (*at, *made));
    let mut newest: BTreeMap<String, i64> = BTreeMap::new();
    let arrived = arrivals.into_iter().filter_map(|(at, made, kind, part)| {
        let newest = newest.entry(kind).or_insert(i64::MIN);
        let is_new = made > *newest;
        *newest = made.max(*newest);
        is_new.then_some((at, part))
    });
    arrived.collect()
}

/// Whether a step passes when the parts arrive like this.
fn passes(step: &Step, recorded: &[Observation], random: &mut Random) -> bool {
    let began = recorded[0].clone();
    let mut attempt = Attempt::begin(step, began.clone());
    let mut now = began;
    for (at, part) in arrivals(&recorded[1..], random) {
        now.at = at;
        match part {
            Part::Status(status) => now.status = *status,
            Part::Answers(answers) => now.answers = answers,
            Part::Ledger(ledger) => {
                now.handled
                    .retain(|known| known.instance != ledger.instance);
                now.handled.push(ledger);
            }
        }
        attempt.observe(&now);
        if attempt.violations().next().is_some() {
            return false;
        }
        if attempt.has_passed() {
            return true;
        }
    }
    false
}

#[test]
fn recorded_learners_are_judged_alike_with_other_delays_and_orders() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("recorded");
    let mut judged = BTreeMap::new();
    for file in fs::read_dir(&directory).expect("the recordings") {
        let path = file.expect("a recording").path();
        let text = fs::read_to_string(&path).expect("a recording");
        let mut lines = text.lines();
        let head: Head = serde_json::from_str(lines.next().expect("a head")).expect("a head");
        let recorded = lines.map(|line| serde_json::from_str(line).expect("an observation"));
        let recorded: Vec<Observation> = recorded.collect();
        let lesson = lesson(head.lesson).expect("a lesson");
        let step = &lesson.steps[head.step - 1];
        for seed in 1..=SEEDS {
            let passed = passes(step, &recorded, &mut Random(seed));
            assert_eq!(passed, head.passes, "{} with seed {seed}", path.display());
        }
        *judged.entry((head.lesson, head.passes)).or_insert(0) += 1;
    }
    let steps = |number| lesson(number).map_or(0, |lesson| lesson.steps.len());
    for number in 1..=3 {
        assert_eq!(
            judged.get(&(number, true)),
            Some(&steps(number)),
            "right learners"
        );
        assert!(
            judged.get(&(number, false)) >= Some(&3),
            "wrong learners of lesson {number}"
        );
    }
}
