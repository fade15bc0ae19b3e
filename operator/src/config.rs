//! Reads the configuration file. In: a path. Out: a [`Config`], or an error that names the unknown field.

use std::path::Path;

use anyhow::{Context as _, Result};
use practice_plan::config::Config;

/// Reads the file.
///
/// # Errors
/// The file does not exist, or a field of it is unknown or has the wrong type.
pub fn read(path: &Path) -> Result<Config> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_yaml::from_str(&text)
        .with_context(|| format!("{} is not a configuration", path.display()))
}
