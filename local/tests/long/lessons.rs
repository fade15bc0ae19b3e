//! Lessons 2 to 5 with the commands that each step shows, each after learners who do something like it: too few consumers, another
//! partition, another key, another group, another group id.

use crate::{build_program, kit::Dir, learner::Learner};

/// What is wrong for a step: the step, commands, and what `status` shows after them.
type Wrong = (usize, &'static str, &'static str);

/// Works through a lesson; before some steps, something wrong is done first.
fn work(lesson: &str, steps: usize, wrong: &[Wrong]) {
    let mut learner = Learner::start(&[lesson]);
    for step in 1..=steps {
        for (_, commands, visible) in wrong.iter().filter(|(of, _, _)| *of == step) {
            learner.does_not_pass(step, commands, visible);
        }
        learner.pass(step);
    }
    let status = learner.ended();
    let output = learner.output();
    assert!(status.success(), "{status}\n{output}");
    let done = format!("Lesson {lesson} is done: {steps} steps passed");
    assert!(output.contains(&done), "{output}");
}

#[test]
fn the_commands_of_lessons_2_and_3_pass_them() {
    build_program();
    let two = std::thread::spawn(|| {
        let wrong = [
            // one partition gets them all
            (2, "practice-local send -n 30 --partition 1 hello", "30/30"),
            // keys differ
            (3, "practice-local send -n 10 hello", "lag 0"),
            // it leaves its group, where it should crash
            (
                7,
                "practice-local restart practice-2-group-a",
                "3/3 consumers",
            ),
        ];
        work("2", 7, &wrong);
    });
    let wrong = [
        // another partition
        (
            3,
            "practice-local send -n 3 --partition 1 elsewhere",
            "lag 0",
        ),
        // another group
        (
            8,
            "practice-local scale my-consumer-group-1 3",
            "3/3 consumers",
        ),
        // another group id
        (
            10,
            "awk '{print} /^  groups:/ {print \"    - name: my-lazy-group\"}' .local/lesson-3.yaml >.local/c && cp .local/c .local/lesson-3.yaml",
            "my-lazy-group",
        ),
    ];
    work("3", 10, &wrong);
    two.join().expect("lesson 2 is passed");
}

#[test]
fn the_commands_of_lessons_4_and_5_pass_them() {
    build_program();
    let refused = Dir::new().refused(&["lesson", "4", "--kafka", "embedded"]);
    assert!(
        refused.contains("lesson 4 needs Apache Kafka, with 3 brokers"),
        "{refused}"
    );
    work("4", 5, &[]);
    work("5", 3, &[]);
}
