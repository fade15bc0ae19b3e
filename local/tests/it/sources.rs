//! Rules that all sources of local mode must keep.

use std::{fs, path::Path};

/// Every Rust file below a folder of the workspace, tests beside the code left out.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("tests.rs")
        {
            found.push((
                path.display().to_string(),
                fs::read_to_string(&path).expect("text"),
            ));
        }
    }
    found
}

#[test]
fn running_is_built_only_where_children_start() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut made = Vec::new();
    for (path, printed) in ["operator/src", "local/src"]
        .iter()
        .flat_map(|folder| sources(&root.join(folder)))
    {
        let code = printed.split("#[cfg(test)]").next().unwrap_or_default();
        // a value with fields, unlike the empty one of a failed plan
        let makes = code.lines().any(|line| {
            let line = line.trim();
            line.contains("Running {")
                && !line.contains("struct ")
                && !line.starts_with("impl ")
                && !line.contains("->")
        });
        if makes {
            made.push(path);
        }
    }
    made.sort_unstable();
    assert!(
        made.len() == 2
            && made[0].ends_with("local/src/fleet/step.rs")
            && made[1].ends_with("operator/src/apply.rs"),
        "Running is made in {made:?}"
    );
}
