//! Golden files: whole screens in `tests/golden`. `UPDATE_GOLDEN=1` rewrites them.

use std::{env, fs, path::Path};

/// Compares lines with a golden file, or rewrites the file when `UPDATE_GOLDEN` is set.
#[track_caller]
pub(crate) fn assert_golden(name: &str, lines: &[String]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.txt"));
    let text = lines.join("\n") + "\n";
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).expect("golden file");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text,
        golden,
        "differs from {}; rewrite it with UPDATE_GOLDEN=1",
        path.display()
    );
}
