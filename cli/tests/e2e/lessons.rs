//! Lesson 1 in a cluster, by two learners at a time, with the commands that each step shows.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    common::{
        command::{Background, done, kubectl},
        scene::{Forward, Scene},
        together, until,
    },
    plugin::cgp,
};

/// Longer than a step takes.
const STEP: Duration = Duration::from_mins(3);

/// The commands that a step shows; `None`: it is not open yet, or they are not printed whole.
fn commands(output: &str, step: usize) -> Option<String> {
    let (_, shown) = output.split_once(&format!("\nStep {step} of "))?;
    let lines = shown.lines().skip_while(|line| !line.starts_with("    "));
    let lines: Vec<&str> = lines.map_while(|line| line.strip_prefix("    ")).collect();
    let is_whole = shown.contains(&format!("{}\n\n", lines.last()?));
    is_whole.then(|| lines.join("\n"))
}

/// A learner with a namespace, and a kubeconfig that has it.
struct Learner {
    scene: Scene,
    output: PathBuf,
    kubeconfig: PathBuf,
    lesson: Background,
}

impl Learner {
    fn start(name: &str) -> Self {
        let scene = Scene::new(name);
        let directory = std::env::temp_dir();
        let output = directory.join(format!("{}.lesson", scene.namespace));
        let kubeconfig = directory.join(format!("{}.kubeconfig", scene.namespace));
        let printed = done(&mut kubectl(&["config", "view", "--raw"]));
        fs::write(&kubeconfig, printed).expect("a kubeconfig");
        let namespace = format!("--namespace={}", scene.namespace);
        let set = ["config", "set-context", "--current", &namespace];
        done(kubectl(&set).env("KUBECONFIG", &kubeconfig));
        let printed = File::create(&output).expect("a file");
        let mut command = cgp(&scene, &["lesson", "1"]);
        command
            .stdout(printed.try_clone().expect("a file"))
            .stderr(printed)
            .stdin(Stdio::null());
        let lesson = Background::start(&mut command);
        Self {
            scene,
            output,
            kubeconfig,
            lesson,
        }
    }

    fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// The commands of a step, once it is open.
    fn commands(&self, step: usize) -> String {
        until(&format!("step {step} is open"), STEP, || {
            let output = self.output();
            commands(&output, step).ok_or(output)
        })
    }

    /// Runs the commands of a step; the port of the producer is the one that is forwarded.
    fn pass(&self, step: usize, producer: &Forward) {
        let commands = self
            .commands(step)
            .replace("localhost:8081", producer.address());
        let mut bash = Command::new("bash");
        done(
            bash.args(["-ec", &commands])
                .env("KUBECONFIG", &self.kubeconfig),
        );
    }
}

impl Drop for Learner {
    fn drop(&mut self) {
        self.lesson.terminate();
        let _ = fs::remove_file(&self.output); // a file below /tmp
        let _ = fs::remove_file(&self.kubeconfig);
    }
}

#[test]
fn two_learners_work_through_lesson_1_on_one_kafka() {
    let _turn = together();
    let learners = [Learner::start("lesson-amy"), Learner::start("lesson-bob")];
    for learner in &learners {
        learner.commands(1);
        let producer = Forward::to(&learner.scene, "practice-1-producer", 8081);
        for step in 2..=6 {
            learner.pass(step, &producer);
        }
        until("the lesson is done", STEP, || {
            let output = learner.output();
            let is_done = output.contains("Lesson 1 is done: 6 steps passed");
            is_done.then_some(()).ok_or(output)
        });
    }
    for learner in &learners {
        let status = &learner.scene.practice("practice-1")["status"];
        assert!(status["otherGroups"].is_null(), "{status:#}");
        let group = &status["groups"][0]["name"];
        let expected = format!("{}.practice-1-group", learner.scene.namespace);
        assert_eq!(*group, expected.as_str(), "{status:#}");
    }
}
