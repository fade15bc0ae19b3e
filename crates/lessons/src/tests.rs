//! The lessons in the program, and their pages.

use std::{collections::BTreeSet, env, fs, path::Path};

use crate::{Expectation, Lesson, lessons, page};

/// What learners often believe; a step contradicts each of these.
const MISCONCEPTIONS: [&str; 14] = [
    "more consumers are always faster",
    "a group is a copy of the messages",
    "consuming deletes",
    "the offset is a consumer's",
    "the reset policy applies at each start",
    "order holds for a topic",
    "commit means processed",
    "a crash is noticed at once",
    "adding partitions is free",
    "a rebalance is an outage",
    "high lag means too few consumers",
    "a slow member slows only itself",
    "a key's partition never changes",
    "stopping loses the place",
];

#[test]
fn lessons_are_complete() {
    let lessons = lessons();
    let numbers: Vec<usize> = lessons.iter().map(|lesson| lesson.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    let steps: Vec<_> = lessons.iter().flat_map(|lesson| &lesson.steps).collect();
    assert!(steps.len() >= 25, "{} steps", steps.len());
    let predicted = steps.iter().filter(|step| step.predict.is_some()).count();
    assert!(predicted * 2 > steps.len(), "{predicted} predictions");
    let contradicted: BTreeSet<&str> = steps
        .iter()
        .filter_map(|step| step.contradicts.as_deref())
        .collect();
    assert_eq!(contradicted, BTreeSet::from(MISCONCEPTIONS));
}

#[test]
fn steps_name_what_their_practice_has() {
    for lesson in lessons() {
        let renamed = lesson.with_names(&lesson.names(|name| format!("amy.{name}")));
        let known: BTreeSet<String> = names_of(&lesson)
            .into_iter()
            .map(|n| format!("amy.{n}"))
            .collect();
        for (step, original) in renamed.steps.iter().zip(&lesson.steps) {
            assert!(!step.expect.is_empty(), "{}", step.title);
            for expectation in step.expect.iter().chain(&step.forbid) {
                let names = named_by(expectation);
                assert!(names.is_subset(&known), "{}: {names:?}", step.title);
            }
            for (text, before) in [
                (&step.commands.local, &original.commands.local),
                (&step.commands.kubectl, &original.commands.kubectl),
            ] {
                assert!(!text.is_empty());
                for name in names_of(&lesson) {
                    let marked = before.matches(&format!("{{{name}}}")).count();
                    let real = text.matches(&format!("amy.{name}")).count();
                    assert!(real >= marked, "{name} in {text}");
                    assert!(!text.contains(&format!("{{{name}}}")), "{name} in {text}");
                }
            }
        }
    }
}

fn names_of(lesson: &Lesson) -> BTreeSet<String> {
    let practice = lesson.practice();
    let topics = practice.spec.topics.into_iter().map(|topic| topic.name);
    let groups = practice.spec.groups.into_iter().map(|group| group.name);
    let further = lesson.further_names.iter().cloned();
    topics.chain(groups).chain(further).collect()
}

/// Topics and groups of an expectation.
fn named_by(expectation: &Expectation) -> BTreeSet<String> {
    fn collect(value: &serde_json::Value, names: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (field, value) in fields {
                    match (field.as_str(), value) {
                        ("group" | "topic", serde_json::Value::String(name)) => {
                            names.insert(name.clone());
                        }
                        ("groups", serde_json::Value::Array(groups)) => names
                            .extend(groups.iter().filter_map(|g| g.as_str().map(str::to_owned))),
                        _ => collect(value, names),
                    }
                }
            }
            serde_json::Value::Array(items) => {
                for item in items {
                    collect(item, names);
                }
            }
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    let value = serde_json::to_value(expectation).expect("an expectation is JSON");
    collect(&value, &mut names);
    names
}

/// `make docs` writes the pages.
#[test]
fn docs_have_each_lesson() {
    for lesson in lessons() {
        let file = format!("../../docs/practices/{}.md", lesson.number);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let page = page(&lesson);
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&file, &page).expect("a page");
        }
        let written = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            written == page,
            "{} differs: run `make docs`",
            file.display()
        );
    }
}
