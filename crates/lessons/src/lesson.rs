//! A lesson as data: `lessons/N.yaml`, in the program since it was built.

use std::collections::BTreeSet;

use practice_api::ConsumerGroupPractice;
use serde::Deserialize;
use serde_json::Value;

use crate::{expect::Expectation, names::Names};

/// The lessons, each with the manifest that it uses.
const FILES: [(&str, &str); 5] = [
    (
        include_str!("../../../lessons/1.yaml"),
        include_str!("../../../deploy/samples/practice-1.yaml"),
    ),
    (
        include_str!("../../../lessons/2.yaml"),
        include_str!("../../../deploy/samples/practice-2.yaml"),
    ),
    (
        include_str!("../../../lessons/3.yaml"),
        include_str!("../../../deploy/samples/practice-3.yaml"),
    ),
    (
        include_str!("../../../lessons/4.yaml"),
        include_str!("../../../deploy/samples/practice-4.yaml"),
    ),
    (
        include_str!("../../../lessons/5.yaml"),
        include_str!("../../../deploy/samples/practice-5.yaml"),
    ),
];

/// A lesson.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lesson {
    /// Its number, from 1.
    pub number: usize,
    /// One line.
    pub title: String,
    /// What it shows, in a sentence or two.
    pub goal: String,
    /// A picture for its page; Markdown.
    #[serde(default)]
    pub picture: Option<String>,
    /// Kafka that it needs.
    #[serde(default)]
    pub needs: Needs,
    /// Names in texts and commands that its manifest does not have yet.
    #[serde(default)]
    pub further_names: Vec<String>,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// What there is to know beyond the steps; Markdown.
    pub background: String,
    /// Its manifest as YAML, with the names of the sample.
    #[serde(skip)]
    pub sample: String,
}

/// Kafka that a lesson needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Needs {
    /// Kind of Kafka in local mode.
    pub kafka: KafkaKind,
    /// Number of brokers; 0 is 1.
    pub brokers: u32,
}

/// Kind of Kafka in local mode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KafkaKind {
    /// The broker in memory is enough.
    #[default]
    Embedded,
    /// Apache Kafka.
    Apache,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// One line.
    pub title: String,
    /// What to do.
    pub task: String,
    /// A question to answer first.
    #[serde(default)]
    pub predict: Option<Prediction>,
    /// Commands that do it, for each way to run the lesson.
    pub commands: Commands,
    /// What has to happen.
    pub expect: Vec<Expectation>,
    /// What must not happen.
    #[serde(default)]
    pub forbid: Vec<Expectation>,
    /// Help for a learner who is stuck.
    pub hint: String,
    /// The explanation, shown after the step has passed.
    pub why: String,
    /// The misconception that it contradicts.
    #[serde(default)]
    pub contradicts: Option<String>,
}

/// A question with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prediction {
    /// The question.
    pub ask: String,
    /// A number, a name, or yes or no.
    pub answer: String,
}

impl Prediction {
    /// Whether an answer is right: the same text, without regard to case and surrounding space; `y` and `n` are yes and no.
    pub fn is_right(&self, answer: &str) -> bool {
        let answer = match answer.trim() {
            "y" | "Y" => "yes",
            "n" | "N" => "no",
            answer => answer,
        };
        self.answer.eq_ignore_ascii_case(answer)
    }
}

/// Commands of a shell.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Commands {
    /// With local mode, in the directory of the practice.
    pub local: String,
    /// With kubectl.
    pub kubectl: String,
}

impl Lesson {
    /// Its practice, with the names of the sample.
    ///
    /// # Panics
    /// The sample in the program is no practice.
    pub fn practice(&self) -> ConsumerGroupPractice {
        serde_yaml::from_str(&self.sample).expect("a sample is a practice")
    }

    /// Names of the sample: practice, topics, groups, and those that come during the lesson. `rename` returns the real one.
    pub fn names(&self, rename: impl Fn(&str) -> String) -> Names {
        let practice = self.practice();
        let mut names: BTreeSet<String> = practice.metadata.name.into_iter().collect();
        names.extend(practice.spec.topics.into_iter().map(|topic| topic.name));
        names.extend(practice.spec.groups.into_iter().map(|group| group.name));
        names.extend(self.further_names.iter().cloned());
        Names::new(names.into_iter().map(|name| {
            let real = rename(&name);
            (name, real)
        }))
    }

    /// Its manifest with real names.
    ///
    /// # Panics
    /// The sample in the program is no manifest.
    pub fn manifest(&self, names: &Names) -> Value {
        let mut manifest: Value = serde_yaml::from_str(&self.sample).expect("a sample is YAML");
        let rename = |value: Option<&mut Value>| {
            if let Some(Value::String(name)) = value {
                *name = names.real(name).to_owned();
            }
        };
        rename(manifest.pointer_mut("/metadata/name"));
        for (list, further) in [("/spec/topics", None), ("/spec/groups", Some("topics"))] {
            let items = manifest.pointer_mut(list).and_then(Value::as_array_mut);
            for item in items.into_iter().flatten() {
                rename(item.get_mut("name"));
                let topics = further.and_then(|field| item.get_mut(field)?.as_array_mut());
                topics
                    .into_iter()
                    .flatten()
                    .for_each(|topic| rename(Some(topic)));
            }
        }
        manifest
    }

    /// The lesson with real names in its texts, commands and expectations.
    ///
    /// # Panics
    /// Never: a lesson stays one when its texts change.
    #[must_use]
    pub fn with_names(&self, names: &Names) -> Self {
        let mut lesson = self.clone();
        for step in &mut lesson.steps {
            for expectation in step.expect.iter_mut().chain(&mut step.forbid) {
                expectation.rename(names);
            }
            let predict = step.predict.iter_mut();
            let predict = predict.flat_map(|predict| [&mut predict.ask, &mut predict.answer]);
            let texts = [
                &mut step.title,
                &mut step.task,
                &mut step.hint,
                &mut step.why,
            ];
            let commands = [&mut step.commands.local, &mut step.commands.kubectl];
            for text in predict.chain(texts).chain(commands) {
                *text = names.fill(text);
            }
        }
        for text in [&mut lesson.goal, &mut lesson.background] {
            *text = names.fill(text);
        }
        lesson
    }
}

/// The lesson with this number.
pub fn lesson(number: usize) -> Option<Lesson> {
    lessons().into_iter().find(|lesson| lesson.number == number)
}

/// All lessons, by number.
///
/// # Panics
/// A file in the program is no lesson.
pub fn lessons() -> Vec<Lesson> {
    let lessons = FILES.iter().map(|(lesson, sample)| {
        // by way of JSON: an enum's variant is the key of a map, not a tag of YAML
        let lesson: Value = serde_yaml::from_str(lesson).expect("a file is YAML");
        let mut lesson: Lesson = serde_json::from_value(lesson).expect("a file is a lesson");
        (*sample).clone_into(&mut lesson.sample);
        lesson
    });
    lessons.collect()
}
