//! Programs of this workspace with a fault on purpose, to show that tests notice it. In: a package, and edits of its source. Out: the
//! program built from a copy of that source. The package itself is not touched and knows nothing of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

/// A change of one place in a file.
#[derive(Debug, Clone, Copy)]
pub struct Edit {
    /// Relative to `src`.
    pub file: &'static str,
    /// What stands there exactly once.
    pub from: &'static str,
    /// What stands there instead.
    pub to: &'static str,
}

/// A copy of a package's source, one program at a time.
#[derive(Debug)]
pub struct Mutants {
    /// Of the package.
    source: PathBuf,
    program: &'static str,
    /// A workspace with the copy as its only member.
    workspace: PathBuf,
    building: Mutex<()>,
}

impl Mutants {
    /// `manifest_dir` and `scratch` are `CARGO_MANIFEST_DIR` and `CARGO_TARGET_TMPDIR` of the test; package and program have one name.
    pub fn of(program: &'static str, manifest_dir: &str, scratch: &str) -> Self {
        let workspace =
            Path::new(scratch).join(format!("mutants-{program}-{}", std::process::id()));
        Self {
            source: manifest_dir.into(),
            program,
            workspace,
            building: Mutex::default(),
        }
    }

    /// Builds the program with these edits, and returns its path.
    ///
    /// # Panics
    /// The source has changed, so that an edit fits nowhere or in several places; or what it results in does not compile.
    pub fn build(&self, name: &str, edits: &[Edit]) -> PathBuf {
        let _one = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        self.copy();
        for edit in edits {
            let file = self.workspace.join("mutated/src").join(edit.file);
            let text = read(&file);
            let times = text.matches(edit.from).count();
            let (at, from) = (edit.file, edit.from);
            assert_eq!(
                times, 1,
                "{name}: write an edit that fits once in {at}: {from}"
            );
            write(&file, &text.replace(edit.from, edit.to));
        }
        let target = self.workspace.join("target");
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--quiet", "--offline"])
            .current_dir(&self.workspace)
            .env("CARGO_TARGET_DIR", &target)
            // dependencies are compiled already where the test was
            .env("CARGO_BUILD_BUILD_DIR", build_dir());
        let built = cargo.output().expect("cargo runs");
        let printed = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{name}: {printed}");
        let program = self.workspace.join(name.replace(' ', "-"));
        let renamed = fs::rename(target.join("debug").join(self.program), &program);
        renamed.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        program
    }

    /// Makes the workspace, with the source as it is: cargo compares times, so each file is new.
    fn copy(&self) {
        let root = self.source.parent().expect("a package is in the workspace");
        let manifest = read(&root.join("Cargo.toml"));
        let (head, rest) = manifest.split_once("members = [").expect("members");
        let (_, rest) = rest.split_once(']').expect("a list");
        let rest = rest.replace("path = \"", &format!("path = \"{}/", root.display()));
        let copy = self.workspace.join("mutated");
        make(&copy);
        write(
            &self.workspace.join("Cargo.toml"),
            &format!("{head}members = [\"mutated\"]{rest}"),
        );
        write(
            &self.workspace.join("Cargo.lock"),
            &read(&root.join("Cargo.lock")),
        );
        write(
            &copy.join("Cargo.toml"),
            &read(&self.source.join("Cargo.toml")),
        );
        copy_all(&self.source.join("src"), &copy.join("src"));
    }
}

impl Drop for Mutants {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.workspace); // below target/tmp
    }
}

/// Where the running test was compiled: it is `PROFILE/deps/NAME` in it.
fn build_dir() -> PathBuf {
    let test = std::env::current_exe().expect("the system knows the running program");
    test.ancestors()
        .nth(3)
        .expect("a build directory")
        .to_owned()
}

fn copy_all(from: &Path, to: &Path) {
    make(to);
    let entries = fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    for entry in entries {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_all(&from, &to);
        } else {
            write(&to, &read(&from));
        }
    }
}

fn make(dir: &Path) {
    fs::create_dir_all(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn write(file: &Path, text: &str) {
    fs::write(file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
