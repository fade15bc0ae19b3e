//! Lessons, as people work through them: with the commands that each step shows.

use rustix::process::Signal;

use crate::{
    kit::{Dir, Local, runs},
    learner::Learner,
};

#[test]
fn the_commands_of_lesson_1_pass_it() {
    let mut learner = Learner::start(&["1"]);
    for step in 1..=6 {
        learner.pass(step);
    }
    let status = learner.ended();
    let output = learner.output();
    assert!(status.success(), "{status}\n{output}");
    assert!(
        output.contains("Lesson 1 is done: 6 steps passed"),
        "{output}"
    );
    let evidence = "✔ practice-1-group has handled 5 of 5, each once (practice-1-group-a 5)";
    assert!(output.contains(evidence), "{output}");
}

#[test]
fn a_step_passes_by_what_happened_and_not_by_something_like_it() {
    let mut learner = Learner::start(&["1"]);
    learner.pass(1);
    // one message is missing
    learner.does_not_pass(2, "practice-local send -n 4 hello", "4/4");
    learner.run("practice-local send hello");
    learner.has_passed(2);
    // a message to a partition that exists
    learner.does_not_pass(3, "practice-local send --partition 0 here", "6/6");
    let again = learner.of_step(3).expect("it is open");
    assert!(again.contains("The step begins again."), "{again}");
    learner.pass(3);
    // the group is running and handles the message
    learner.does_not_pass(4, "practice-local send hello", "7/7");
    learner.pass(4);
    let family = learner.family();
    learner.signal(Signal::INT);
    assert!(learner.ended().success(), "{}", learner.output());
    assert!(!family.is_empty());
    assert!(
        !family.iter().any(|pid| runs(*pid)),
        "the practice is still there"
    );
}

#[test]
fn a_lesson_joins_its_practice_and_no_other_one() {
    let manifest = include_str!("../../../deploy/samples/practice-1.yaml");
    let local = Local::ready(manifest, &[]);
    for (args, expected) in [
        (
            &["lesson", "2"][..],
            "practice-1 runs here, and lesson 2 needs practice-2",
        ),
        (&["lesson", "9"], "no lesson `9`: lessons are 1 to 5"),
        (
            &["lesson", "1", "--step", "7"],
            "--step `7`: lesson 1 has 6 steps",
        ),
        (
            &["lesson", "1", "--again"],
            "--again would change practice.yaml",
        ),
    ] {
        let refused = local.dir.refused(args);
        assert!(refused.contains(expected), "{args:?}: {refused}");
    }
    let list = local.dir.stdout_of(&["lesson", "--list"]);
    assert!(
        list.starts_with("1  one consumer, one partition (6 steps)\n"),
        "{list}"
    );
    assert_eq!(list.lines().count(), 5, "{list}");
    let directory = local.dir.path().display().to_string();
    let mut learner = Learner::start_in(Dir::new(), &["1", "--step", "2", "-C", &directory]);
    learner.commands(2);
    local.dir.stdout_of(&["send", "-n", "5", "hello"]);
    learner.has_passed(2);
    learner.signal(Signal::INT);
    assert!(learner.ended().success(), "{}", learner.output());
    local.dir.stdout_of(&["status"]); // the practice keeps running
}

#[test]
fn a_lesson_begins_again_with_a_new_topic() {
    let first = Learner::start(&["1"]);
    first.pass(1);
    first.pass(2);
    let directory = first.dir.path().display().to_string();
    let second = Learner::start_in(Dir::new(), &["1", "--again", "-C", &directory]);
    second.commands(1);
    second.has_passed(1);
    let commands = second.commands(2);
    first.run(&commands);
    second.has_passed(2);
    let status = first.dir.stdout_of(&["status"]);
    assert!(status.contains("practice-1-topic-2"), "{status}");
}
