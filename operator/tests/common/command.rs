//! Programs of the machine. In: their arguments. Out: what they print, or all they said when they fail.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A variable that `node.sh env` prints.
pub(crate) fn of_node(name: &str) -> String {
    let set = env::var(name).ok().filter(|value| !value.is_empty());
    set.unwrap_or_else(|| {
        panic!("{name} is not set: bring a node up with `eval \"$(make -s node)\"` first")
    })
}

/// A file of this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// kubectl for the node.
pub(crate) fn kubectl(args: &[&str]) -> Command {
    let config = PathBuf::from(of_node("KUBECONFIG"));
    let mut command = Command::new("kubectl");
    command
        .args(args)
        .env("KUBECACHEDIR", config.with_file_name("kube-cache"));
    command
}

/// helm for the node.
pub(crate) fn helm(args: &[&str]) -> Command {
    let mut command = Command::new(practice_testbed::helm());
    command.args(args).env("KUBECONFIG", of_node("KUBECONFIG"));
    command
}

/// `deploy/node/node.sh`.
pub(crate) fn node(args: &[&str]) -> String {
    done(Command::new(repository("deploy/node/node.sh")).args(args))
}

/// Runs it to its end: stdout, or everything it said.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let [said, complained] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if output.status.success() {
        Ok(said)
    } else {
        Err(format!(
            "{command:?}: {}\n{said}{complained}",
            output.status
        ))
    }
}

/// As [`run`], for what has to succeed.
pub(crate) fn done(command: &mut Command) -> String {
    run(command).unwrap_or_else(|error| panic!("{error}"))
}

/// A process that ends with its owner.
#[derive(Debug)]
pub(crate) struct Background(pub(crate) Child);

impl Background {
    pub(crate) fn start(command: &mut Command) -> Self {
        let started = command.stdin(Stdio::null()).spawn();
        Self(started.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Ends it as Kubernetes does.
    pub(crate) fn terminate(&mut self) {
        done(Command::new("kill").args(["-TERM", &self.pid().to_string()]));
        let ended = self.0.wait().expect("it is our child");
        assert!(ended.success(), "after SIGTERM: {ended}");
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it has ended already
        let _ = self.0.wait();
    }
}
