//! The practice of a lesson: one that runs here already, or one that the lesson starts and ends.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use practice_api::ConsumerGroupPractice;
use practice_cli::lesson::{begun_again, names_of};
use practice_lessons::{KafkaKind, Lesson, Names, Observation};
use practice_operator::worker_client::Http;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Child,
    time::{sleep, timeout},
};

use super::observe::{observation, observed, practice};
use crate::{
    args::{self, Kind},
    control::{self, DIR},
    process::Program,
    request::Observed,
};

/// Between two questions whether the practice is ready.
const PAUSE: Duration = Duration::from_millis(250);
/// Longer than `up` takes to end.
const ENDING: Duration = Duration::from_secs(15);

/// The practice of a lesson.
pub(super) struct Running {
    http: Http,
    observed: Observed,
    practice: ConsumerGroupPractice,
    /// `up`, if the lesson has started it.
    up: Option<Child>,
}

impl Running {
    /// Joins the practice that runs here, or starts the one of the lesson, and waits until it is ready.
    ///
    /// # Errors
    /// Another practice runs here, its Kafka is not what the lesson needs, or it does not start.
    pub(super) async fn begin(lesson: &Lesson, args: &args::LocalLesson) -> Result<Self> {
        let mut up = None;
        if control::runs().await {
            check(lesson, &observed().await?)?;
            if args.lesson.again {
                begin_again(lesson).await?;
            }
        } else {
            up = Some(start(lesson, args)?);
        }
        let log = log_path(lesson);
        let observed = ready(up.as_mut(), &log).await?;
        Ok(Self {
            http: Http::default(),
            practice: practice(&observed)?,
            observed,
            up,
        })
    }

    /// Real names, by the names of the sample.
    pub(super) fn names(&self, lesson: &Lesson) -> Names {
        let manifest = self.observed.manifest.display().to_string();
        names_of(lesson, &self.practice, str::to_owned).and("manifest", &manifest)
    }

    /// Where the learner can type commands.
    pub(super) fn place() -> String {
        let here = std::env::current_dir().unwrap_or_default();
        format!(
            "Type commands in a second terminal, in {}. Ctrl-C ends the lesson.",
            here.display()
        )
    }

    /// What there is to know now.
    ///
    /// # Errors
    /// The practice has ended.
    pub(super) async fn observe(&mut self, lesson: &Lesson) -> Result<Observation> {
        if let Some(up) = &mut self.up
            && let Some(status) = up.try_wait()?
        {
            bail!(
                "the practice has ended ({status}):\n{}",
                last_words(&log_path(lesson))
            );
        }
        self.observed = observed().await?;
        observation(&self.http, &self.observed).await
    }

    /// Ends the practice, if the lesson has started it.
    pub(super) async fn end(self) {
        let Some(mut up) = self.up else {
            return;
        };
        let pid = up.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM); // it has ended already
        }
        if timeout(ENDING, up.wait()).await.is_err() {
            let _ = up.kill().await; // it has ended after all
        }
    }
}

/// Refuses a practice that is not the lesson's.
fn check(lesson: &Lesson, observed: &Observed) -> Result<()> {
    let running = practice(observed)?;
    let wanted = lesson.practice().metadata.name;
    if running.metadata.name != wanted {
        bail!(
            "{} runs here, and lesson {} needs {}: end it with Ctrl-C in its terminal, or use another directory with -C DIR",
            running.metadata.name.unwrap_or_default(),
            lesson.number,
            wanted.unwrap_or_default()
        );
    }
    if lesson.needs.kafka == KafkaKind::Apache && observed.is_embedded {
        bail!(
            "lesson {} needs Apache Kafka, and the practice runs on the embedded broker: end it with Ctrl-C in its terminal, and start the lesson again",
            lesson.number
        );
    }
    Ok(())
}

fn manifest_path(lesson: &Lesson) -> PathBuf {
    Path::new(DIR).join(format!("lesson-{}.yaml", lesson.number))
}

fn log_path(lesson: &Lesson) -> PathBuf {
    Path::new(DIR).join(format!("lesson-{}.log", lesson.number))
}

/// Starts `up` with the manifest of the lesson; its output goes to a file.
fn start(lesson: &Lesson, args: &args::LocalLesson) -> Result<Child> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(DIR);
    made.with_context(|| format!("cannot create {DIR}"))?;
    let (manifest, log) = (manifest_path(lesson), log_path(lesson));
    fs::write(&manifest, &lesson.sample)
        .with_context(|| format!("cannot write {}", manifest.display()))?;
    let output =
        fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let kafka = match (args.kafka, lesson.needs.kafka) {
        (Some(Kind::Embedded), KafkaKind::Apache) => bail!(
            "--kafka `embedded`: lesson {} needs Apache Kafka, with {} brokers",
            lesson.number,
            lesson.needs.brokers.max(1)
        ),
        (Some(Kind::Apache), _) | (None, KafkaKind::Apache) => "apache",
        (Some(Kind::Embedded) | None, KafkaKind::Embedded) => "embedded",
    };
    let mut arguments = vec!["up".to_owned(), manifest.display().to_string()];
    arguments.extend(["--kafka".to_owned(), kafka.to_owned()]);
    arguments.extend(["--port-base".to_owned(), args.port_base.to_string()]);
    if lesson.needs.brokers > 1 {
        arguments.extend(["--brokers".to_owned(), lesson.needs.brokers.to_string()]);
    }
    let mut command = Program::this()?.child(arguments);
    command
        .envs(std::env::vars_os())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        // Ctrl-C reaches the lesson alone, which then ends it in order
        .process_group(0)
        .kill_on_drop(true);
    command.spawn().context("cannot start the practice")
}

/// Waits until the practice is ready.
async fn ready(mut up: Option<&mut Child>, log: &Path) -> Result<Observed> {
    loop {
        if let Some(up) = up.as_deref_mut()
            && let Some(status) = up.try_wait()?
        {
            bail!(
                "the practice does not start ({status}):\n{}",
                last_words(log)
            );
        }
        if control::runs().await {
            let observed = observed().await?;
            let status = practice(&observed)?.status.unwrap_or_default();
            if status
                .condition("Ready")
                .is_some_and(|ready| ready.status == "True")
            {
                return Ok(observed);
            }
        }
        sleep(PAUSE).await;
    }
}

/// The last lines of a file.
fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// Gives the practice new topics, in the manifest that the lesson has written.
async fn begin_again(lesson: &Lesson) -> Result<()> {
    let observed = observed().await?;
    let manifest = manifest_path(lesson);
    if observed.manifest != manifest {
        bail!(
            "--again would change {}: end the practice with Ctrl-C in its terminal, and start the lesson without --again",
            observed.manifest.display()
        );
    }
    let running = practice(&observed)?;
    let names = begun_again(lesson, &running);
    let text = serde_yaml::to_string(&lesson.manifest(&names))?;
    fs::write(&manifest, text).with_context(|| format!("cannot write {}", manifest.display()))?;
    let wanted: Vec<String> = lesson
        .practice()
        .spec
        .topics
        .iter()
        .map(|topic| names.real(&topic.name).to_owned())
        .collect();
    loop {
        let observed = super::observe::observed().await?;
        let status = practice(&observed)?.status.unwrap_or_default();
        let ready = status.topics.iter().filter(|topic| topic.ready);
        let ready: Vec<String> = ready.map(|topic| topic.name.clone()).collect();
        if ready == wanted {
            return Ok(());
        }
        sleep(PAUSE).await;
    }
}
