//! Detects a saved manifest. In: a path. Out: new content, once an editor has finished writing.

use std::path::PathBuf;

use serde_json::Value;

use crate::manifest;

/// The manifest's file, with the applied and the refused version.
pub(super) struct ManifestFile {
    pub(super) path: PathBuf,
    pub(super) applied: Value,
    /// Content at the last read.
    pub(super) seen: Option<Result<Value, String>>,
    /// Refused content, so that it is reported once.
    pub(super) refused: Option<Result<Value, String>>,
}

impl ManifestFile {
    /// New content of the file, after two equal reads, because an editor may still be writing it.
    pub(super) fn saved(&mut self) -> Option<Result<Value, String>> {
        let now = manifest::read(&self.path);
        let settled = self.seen.replace(now.clone()).as_ref() == Some(&now);
        if now.as_ref() == Ok(&self.applied) {
            self.refused = None;
            return None;
        }
        (settled && self.refused.as_ref() != Some(&now)).then_some(now)
    }
}
