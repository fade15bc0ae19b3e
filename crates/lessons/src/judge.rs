//! An attempt at a step. In: observations in any order. Out: what is met, and what was forbidden and happened. An expectation that was met
//! once stays met: a step asks whether something happened, and a state that it waits for may be over before the next observation.

use crate::{
    expect::{Expectation, Finding},
    lesson::Step,
    observation::Observation,
};

/// An attempt at one step, from the observation with which it began.
#[derive(Debug, Clone)]
pub struct Attempt {
    began: Observation,
    expected: Vec<(Expectation, Finding)>,
    forbidden: Vec<(Expectation, Finding)>,
}

impl Attempt {
    /// Begins a step.
    pub fn begin(step: &Step, began: Observation) -> Self {
        let open = |all: &[Expectation]| {
            let findings = all.iter().map(|one| {
                let finding = one.evaluate(&began, &began);
                (one.clone(), finding)
            });
            findings.collect()
        };
        let (expected, forbidden) = (open(&step.expect), open(&step.forbid));
        Self {
            began,
            expected,
            forbidden,
        }
    }

    /// The observation with which it began.
    pub fn began(&self) -> &Observation {
        &self.began
    }

    /// Adds an observation. One from before the step began changes nothing.
    pub fn observe(&mut self, now: &Observation) {
        if now.at < self.began.at {
            return;
        }
        for (expectation, finding) in self.expected.iter_mut().chain(&mut self.forbidden) {
            if !finding.met {
                *finding = expectation.evaluate(&self.began, now);
            }
        }
    }

    /// What the step waits for, in its order.
    pub fn expected(&self) -> impl Iterator<Item = &Finding> {
        self.expected.iter().map(|(_, finding)| finding)
    }

    /// What was forbidden and happened.
    pub fn violations(&self) -> impl Iterator<Item = &Finding> {
        let findings = self.forbidden.iter().map(|(_, finding)| finding);
        findings.filter(|finding| finding.met)
    }

    /// Whether everything that the step waits for has happened, and nothing that it forbids.
    pub fn has_passed(&self) -> bool {
        self.expected().all(|finding| finding.met) && self.violations().next().is_none()
    }
}

#[cfg(test)]
mod tests;
