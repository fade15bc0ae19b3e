//! A learner: `practice-local lesson`, its output, and the commands that it shows, run as they are shown.

use std::{
    env,
    fs::{self, File},
    os::unix::fs::symlink,
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::kit::{Dir, children, ports, program, runs, send, text};

/// Longer than any step takes: group 3 of practice 3 needs a minute for thirty messages, a session timeout is 30 s.
const STEP: Duration = Duration::from_mins(4);
/// A few observations, after which a fact that is visible has been seen by the lesson, too.
const SEEN: Duration = Duration::from_secs(3);

/// A lesson that runs in a directory of its own.
pub(crate) struct Learner {
    pub(crate) dir: Dir,
    child: Child,
}

impl Learner {
    /// Starts a lesson with further arguments.
    pub(crate) fn start(args: &[&str]) -> Self {
        let dir = Dir::new();
        // the commands name the program without its directory
        let path = program().get_program().to_owned();
        symlink(path, dir.path().join("practice-local")).expect("a link");
        Self::start_in(dir, args)
    }

    /// Starts a lesson in a directory that has the program.
    pub(crate) fn start_in(dir: Dir, args: &[&str]) -> Self {
        let output = File::create(dir.path().join("lesson")).expect("a file");
        let child = program()
            .current_dir(dir.path())
            .arg("lesson")
            .args(args)
            .args(["--port-base", &ports().to_string()])
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .spawn()
            .expect("the program starts");
        Self { dir, child }
    }

    /// Output so far.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.dir.path().join("lesson")).unwrap_or_default()
    }

    /// Output of a step so far, without its title; `None`: it is not open yet.
    pub(crate) fn of_step(&self, step: usize) -> Option<String> {
        let output = self.output();
        let (_, rest) = output.split_once(&format!("\nStep {step} of "))?;
        let next = format!("\nStep {} of ", step + 1);
        Some(rest.split(&next).next().unwrap_or(rest).to_owned())
    }

    /// Waits until a step is open, and returns the commands that it shows.
    pub(crate) fn commands(&self, step: usize) -> String {
        self.until(&format!("step {step} is open"), || {
            let shown = self.of_step(step)?;
            let lines = shown.lines().skip_while(|line| !line.starts_with("    "));
            let lines: Vec<&str> = lines.map_while(|line| line.strip_prefix("    ")).collect();
            // an empty line ends them, so all of them are there
            let is_whole = shown.contains(&format!("{}\n\n", lines.last()?));
            is_whole.then(|| lines.join("\n"))
        })
    }

    /// Runs commands as a learner does, in the directory of the lesson.
    pub(crate) fn run(&self, commands: &str) {
        let path = env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.dir.path().display());
        let output = Command::new("bash")
            .args(["-ec", commands])
            .current_dir(self.dir.path())
            .env("PATH", path)
            .output()
            .expect("bash runs");
        assert!(
            output.status.success(),
            "{commands}: {}\n{}{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
    }

    /// Runs the commands of a step, and waits until it has passed.
    pub(crate) fn pass(&self, step: usize) {
        self.run(&self.commands(step));
        self.has_passed(step);
    }

    /// Waits until a step has passed.
    pub(crate) fn has_passed(&self, step: usize) {
        let (next, end) = (format!("\nStep {} of ", step + 1), " is done: ");
        self.until(&format!("step {step} has passed"), || {
            let output = self.output();
            (output.contains(&next) || output.contains(end)).then_some(())
        });
    }

    /// Runs commands that are wrong for a step, and asserts that it does not pass after their effect is visible in `status`.
    pub(crate) fn does_not_pass(&self, step: usize, commands: &str, visible: &str) {
        self.commands(step);
        self.run(commands);
        self.until(&format!("`{visible}` is in the status"), || {
            self.dir
                .stdout_of(&["status"])
                .contains(visible)
                .then_some(())
        });
        thread::sleep(SEEN);
        let output = self.output();
        let next = format!("\nStep {} of ", step + 1);
        assert!(!output.contains(&next), "passed by `{commands}`:\n{output}");
    }

    /// Waits until `check` returns a value.
    pub(crate) fn until<T>(&self, what: &str, mut check: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + STEP;
        loop {
            if let Some(found) = check() {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "not in time: {what}\n{}",
                self.output()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a signal to the lesson.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.child.id(), signal);
    }

    /// Its children and theirs.
    pub(crate) fn family(&self) -> Vec<u32> {
        let mut family = children(self.child.id());
        let mut next = 0;
        while let Some(parent) = family.get(next).copied() {
            family.extend(children(parent));
            next += 1;
        }
        family
    }

    /// Waits for the end of the lesson.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + STEP;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end:\n{}",
                self.output()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Learner {
    fn drop(&mut self) {
        let family = self.family();
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            send(self.child.id(), Signal::TERM); // it ends the practice
        }
        let _ = self.child.wait();
        let deadline = Instant::now() + Duration::from_secs(20);
        while family.iter().any(|pid| runs(*pid)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
    }
}
