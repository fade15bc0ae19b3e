//! A learner in a lesson. Pure. In: observations of the practice, and lines that the learner types. Out: lines to print. One step is
//! open at a time; it passes by itself when everything that it waits for has happened.

mod learner;

use std::collections::BTreeMap;

use practice_api::ConsumerGroupPractice;
use practice_lessons::{Attempt, Lesson, Names, Observation, Step, lessons};

use crate::text::{Line, Tone, counted, wrapped};

pub use learner::Learner;

/// Where a lesson runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Local mode.
    Local,
    /// A cluster.
    Cluster,
}

/// How a lesson is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Show {
    /// Where it runs.
    pub place: Place,
    /// Columns of the terminal; `None`: lines are not wrapped.
    pub width: Option<usize>,
    /// Whether a hint is part of each step.
    pub hints: bool,
    /// Whether the learner can type answers.
    pub answers: bool,
}

/// A lesson and how far the learner is.
#[derive(Debug)]
pub struct Session {
    lesson: Lesson,
    show: Show,
    /// Index of the open step; the number of steps at the end.
    at: usize,
    attempt: Option<Attempt>,
    /// Evidence that was printed, by expectation.
    shown: Vec<bool>,
    /// The learner wants to begin the open step again.
    begins_again: bool,
    /// The learner's prediction for the open step; empty: none was wanted.
    predicted: Option<String>,
    passed: usize,
    right: usize,
    predictions: usize,
}

impl Session {
    /// A lesson from its step with this index on. `names` are those of the practice that runs.
    pub fn new(lesson: &Lesson, names: &Names, show: Show, at: usize) -> Self {
        Self {
            lesson: lesson.with_names(names),
            show,
            at,
            attempt: None,
            shown: Vec::new(),
            begins_again: false,
            predicted: None,
            passed: 0,
            right: 0,
            predictions: 0,
        }
    }

    /// Title of the lesson.
    pub fn title(&self) -> Vec<Line> {
        let (number, title) = (self.lesson.number, &self.lesson.title);
        let mut lines = vec![Line::of(Tone::Strong, &format!("Lesson {number}: {title}"))];
        lines.extend(self.paragraph("", &self.lesson.goal));
        lines
    }

    /// Whether all steps have passed.
    pub fn is_over(&self) -> bool {
        self.at >= self.lesson.steps.len()
    }

    /// Number of the open step, from 1.
    pub fn step_number(&self) -> usize {
        self.at + 1
    }

    fn step(&self) -> Option<&Step> {
        self.lesson.steps.get(self.at)
    }

    /// Adds an observation: opens a step, prints new evidence, passes a step or begins it again.
    pub fn observe(&mut self, now: &Observation) -> Vec<Line> {
        let Some(step) = self.step().cloned() else {
            return Vec::new();
        };
        let Some(attempt) = &mut self.attempt else {
            self.begin(&step, now);
            return self.opened(&step);
        };
        if std::mem::take(&mut self.begins_again) {
            self.begin(&step, now);
            return Vec::new();
        }
        attempt.observe(now);
        let violations: Vec<String> = attempt
            .violations()
            .map(|one| one.evidence.clone())
            .collect();
        if !violations.is_empty() {
            let mut lines = Vec::new();
            for evidence in &violations {
                lines.extend(self.marked(Tone::Warn, "✘", evidence));
            }
            lines.extend(self.paragraph("  ", &format!("The step begins again. {}", step.hint)));
            self.begin(&step, now);
            return lines;
        }
        if self.waits_for_answer(&step) {
            return Vec::new(); // evidence would be the answer
        }
        let mut lines = self.new_evidence();
        if self.attempt.as_ref().is_some_and(Attempt::has_passed) {
            lines.extend(self.pass(&step));
        }
        lines
    }

    fn begin(&mut self, step: &Step, now: &Observation) {
        self.attempt = Some(Attempt::begin(step, now.clone()));
        self.shown = vec![false; step.expect.len()];
    }

    fn waits_for_answer(&self, step: &Step) -> bool {
        self.show.answers && step.predict.is_some() && self.predicted.is_none()
    }

    /// Evidence that was not printed yet.
    fn new_evidence(&mut self) -> Vec<Line> {
        let Some(attempt) = &self.attempt else {
            return Vec::new();
        };
        let mut new = Vec::new();
        for (shown, finding) in self.shown.iter_mut().zip(attempt.expected()) {
            if finding.met && !*shown {
                *shown = true;
                new.push(finding.evidence.clone());
            }
        }
        new.iter()
            .flat_map(|evidence| self.marked(Tone::Good, "✔", evidence))
            .collect()
    }

    /// A line that the learner typed: a prediction, `?` for a hint and what is still open, or `again` to begin the step again.
    pub fn typed(&mut self, text: &str) -> Vec<Line> {
        let Some(step) = self.step().cloned() else {
            return Vec::new();
        };
        if text.trim() == "?" {
            return self.help(&step);
        }
        if text.trim() == "again" {
            self.begins_again = true;
            return self.marked(Tone::Dim, "↺", "The step begins again.");
        }
        if self.waits_for_answer(&step) {
            self.predicted = Some(text.trim().to_owned());
        }
        Vec::new()
    }

    fn help(&self, step: &Step) -> Vec<Line> {
        let mut lines = self.paragraph("  ", &step.hint);
        let open = self.attempt.iter().flat_map(Attempt::expected);
        for finding in open.filter(|finding| !finding.met) {
            lines.extend(self.marked(Tone::Dim, "…", &finding.evidence));
        }
        lines
    }

    fn opened(&self, step: &Step) -> Vec<Line> {
        let head = format!(
            "Step {} of {}: {}",
            self.at + 1,
            self.lesson.steps.len(),
            step.title
        );
        let mut lines = vec![Line::new(), Line::of(Tone::Strong, &head)];
        lines.extend(self.paragraph("", &step.task));
        let commands = match self.show.place {
            Place::Local => &step.commands.local,
            Place::Cluster => &step.commands.kubectl,
        };
        lines.push(Line::new());
        // a command that is wrapped could not be copied
        lines.extend(
            commands
                .lines()
                .map(|line| Line::plain(&format!("    {line}"))),
        );
        lines.push(Line::new());
        if self.show.hints {
            lines.extend(self.paragraph("", &step.hint));
        }
        if let Some(predict) = &step.predict {
            let ask = if self.show.answers {
                format!(
                    "Predict first: {} (type the answer; ? for help)",
                    predict.ask
                )
            } else {
                format!("Predict first: {}", predict.ask)
            };
            lines.extend(self.paragraph("", &ask));
        }
        lines
    }

    fn pass(&mut self, step: &Step) -> Vec<Line> {
        let mut lines = Vec::new();
        if let Some(predict) = &step.predict {
            let answer = &predict.answer;
            match self.predicted.as_deref().filter(|text| !text.is_empty()) {
                Some(text) if predict.is_right(text) => {
                    (self.predictions, self.right) = (self.predictions + 1, self.right + 1);
                    lines.extend(self.marked(
                        Tone::Good,
                        "✔",
                        &format!("You predicted {text}: right."),
                    ));
                }
                Some(text) => {
                    self.predictions += 1;
                    let wrong = format!("You predicted {text}; it is {answer}.");
                    lines.extend(self.marked(Tone::Warn, "✘", &wrong));
                }
                None => lines.extend(self.paragraph("  ", &format!("Answer: {answer}."))),
            }
        }
        lines.extend(self.paragraph("  ", &step.why));
        (self.attempt, self.predicted) = (None, None);
        self.at += 1;
        self.passed += 1;
        if self.is_over() {
            lines.push(Line::new());
            let (number, passed) = (self.lesson.number, counted(self.passed, "step"));
            let passed = format!("{passed} passed");
            let predictions = match self.predictions {
                0 => String::new(),
                all => format!(", {} of {all} predictions right", self.right),
            };
            let end = format!("Lesson {number} is done: {passed}{predictions}");
            lines.push(Line::of(Tone::Strong, &end));
        }
        lines
    }

    fn marked(&self, tone: Tone, mark: &str, text: &str) -> Vec<Line> {
        let width = self.show.width.map(|width| width.saturating_sub(4));
        let mut lines = Vec::new();
        for (index, text) in wrapped(text, width).iter().enumerate() {
            let mark = if index == 0 { mark } else { " " };
            lines.push(Line::of(tone, &format!("  {mark} ")).and(Tone::Plain, text));
        }
        lines
    }

    fn paragraph(&self, indent: &str, text: &str) -> Vec<Line> {
        let width = self
            .show
            .width
            .map(|width| width.saturating_sub(indent.len()));
        let text = text.trim_end();
        let lines = text.split('\n').flat_map(|line| wrapped(line, width));
        lines
            .map(|line| Line::plain(&format!("{indent}{line}")))
            .collect()
    }
}

/// The lesson with this number, and the index of its step with that number.
///
/// # Errors
/// There is no such lesson or step; the text names those that there are.
pub fn find(number: usize, step: u32) -> Result<(Lesson, usize), String> {
    let all = lessons();
    let count = all.len();
    let found = all.into_iter().find(|lesson| lesson.number == number);
    let lesson = found.ok_or_else(|| format!("no lesson `{number}`: lessons are 1 to {count}"))?;
    let (steps, step) = (
        lesson.steps.len(),
        usize::try_from(step).unwrap_or(usize::MAX),
    );
    if !(1..=steps).contains(&step) {
        return Err(format!(
            "--step `{step}`: lesson {number} has {steps} steps"
        ));
    }
    Ok((lesson, step - 1))
}

/// Real names of a lesson, from the practice that runs: its topics and groups in the order of the sample.
pub fn names_of(
    lesson: &Lesson,
    running: &ConsumerGroupPractice,
    rename: impl Fn(&str) -> String,
) -> Names {
    let sample = lesson.practice();
    let topics = sample.spec.topics.iter().zip(&running.spec.topics);
    let topics = topics.map(|(name, real)| (name.name.clone(), real.name.clone()));
    let groups = sample.spec.groups.iter().zip(&running.spec.groups);
    let groups = groups.map(|(name, real)| (name.name.clone(), real.name.clone()));
    let real: BTreeMap<String, String> = topics.chain(groups).collect();
    lesson.names(|name| match real.get(name) {
        Some(real) => real.clone(),
        None if Some(name) == sample.metadata.name.as_deref() => name.to_owned(),
        None => rename(name),
    })
}

/// Names of a lesson that begins again: those of the practice that runs, with new topics.
pub fn begun_again(lesson: &Lesson, running: &ConsumerGroupPractice) -> Names {
    let sample = lesson.practice();
    let topics = sample.spec.topics.iter().zip(&running.spec.topics);
    topics.fold(
        names_of(lesson, running, str::to_owned),
        |names, (topic, real)| names.and(&topic.name, &next_topic(&real.name)),
    )
}

/// Name of the topic after `real`, for a lesson that begins again: `t`, `t-2`, `t-3`.
fn next_topic(real: &str) -> String {
    let numbered = real
        .rsplit_once('-')
        .and_then(|(name, number)| Some((name, number.parse::<u32>().ok()?)));
    match numbered {
        Some((name, number)) if number > 1 => format!("{name}-{}", number.saturating_add(1)),
        _ => format!("{real}-2"),
    }
}

/// The lessons, a line each.
pub fn list(lessons: &[Lesson]) -> Vec<Line> {
    let line = |lesson: &Lesson| {
        let (number, title, steps) = (lesson.number, &lesson.title, lesson.steps.len());
        Line::plain(&format!("{number}  {title} ({steps} steps)"))
    };
    lessons.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
