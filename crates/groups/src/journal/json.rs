//! A journal as JSON. In: a journal, and the bytes that it may take. Out: a text for each group, and from the texts the journal as it
//! was. Deliberately absent: where the texts are stored.

use std::{collections::BTreeMap, sync::Arc};

use super::{GroupJournal, Journal, Rebalance};
use crate::cause::Explained;

impl Journal {
    /// JSON for each group that has had a rebalance, about `most` bytes in all; the oldest rebalances are left out.
    pub fn written(&self, most: usize) -> BTreeMap<String, String> {
        let text = |memory: &GroupJournal| {
            serde_json::to_string(memory).expect("should serialize: strings, numbers and lists")
        };
        let share = most / self.groups.len().max(1);
        // https://kubernetes.io/docs/concepts/configuration/configmap: these are no keys
        let is_key = |group: &str| group != "." && !group.starts_with("..");
        let fitting = |memory: &GroupJournal| {
            let mut whole = text(memory);
            let mut memory = GroupJournal::clone(memory);
            while whole.len() > share && !memory.over.is_empty() {
                memory.over.truncate(memory.over.len() / 2);
                whole = text(&memory);
            }
            if whole.len() > share {
                memory.settled = None; // too large to store: after a restart the next poll is the first one
                whole = text(&memory);
            }
            whole
        };
        let stored = self
            .groups
            .iter()
            .filter(|(group, memory)| memory.count > 0 && is_key(group));
        stored
            .map(|(group, memory)| (group.clone(), fitting(memory)))
            .collect()
    }

    /// Restores a group from its JSON, unless the group is known already. A cause that was not found yet becomes unknown.
    ///
    /// # Errors
    /// The text is not from [`written`](Self::written).
    pub fn restore(&mut self, group: &str, text: &str) -> Result<(), serde_json::Error> {
        let mut memory: GroupJournal = serde_json::from_str(text)?;
        memory.blind = true;
        self.version += u64::from(memory.over.iter().any(|rebalance| rebalance.why.is_none()));
        for rebalance in memory
            .over
            .iter_mut()
            .filter(|rebalance| rebalance.why.is_none())
        {
            Arc::make_mut(rebalance).why = Some(Explained::unknown(
                "observation stopped before the cause was found",
            ));
        }
        self.groups
            .entry(group.to_owned())
            .or_insert_with(|| Arc::new(memory));
        Ok(())
    }
}

/// The rebalances in one group's text from [`Journal::written`], newest first.
///
/// # Errors
/// The text is not from [`Journal::written`].
pub fn read(text: &str) -> Result<Vec<Rebalance>, serde_json::Error> {
    let memory: GroupJournal = serde_json::from_str(text)?;
    Ok(memory.over.into_iter().map(Arc::unwrap_or_clone).collect())
}
