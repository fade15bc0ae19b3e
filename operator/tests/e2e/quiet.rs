//! What is settled costs the API server no write, also when the operator starts again.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    thread::sleep,
    time::Duration,
};

use serde_json::Value;

use crate::common::{
    RELEASE, alone,
    command::{done, kubectl, of_node},
    figures::{Bound, figure},
    sample::Sample,
    scene::Scene,
    until,
};

#[test]
fn steady_state_and_an_operator_restart_write_nothing() {
    let _turn = alone();
    let scene = Scene::new("quiet");
    let practice = Sample::load("practice-3").renamed(&scene.prefix);
    let idle = Sample::load("practice-2").renamed(&format!("{}-2", scene.prefix));
    scene.apply(&practice);
    scene.apply(&idle);
    scene.wait_ready(practice.practice());
    scene.wait_ready(idle.practice());
    scene.practice_when(idle.practice(), "one is idle", Duration::from_mins(1), |practice| {
        let idle = &practice["status"]["summary"]["idle"];
        if idle == 1 { Ok(()) } else { Err(format!("idle: {idle}")) }
    });
    let mut audit = Audit::from_here();
    until("what follows from the start is written", Duration::from_mins(1), || {
        sleep(Duration::from_secs(10));
        let writes = audit.writes(&scene);
        if writes.is_empty() { Ok(()) } else { Err(writes.join("\n")) }
    });

    sleep(Duration::from_mins(1));
    let steady = audit.writes(&scene);
    note(
        "writes in a steady minute",
        steady.len(),
        "mutating requests of the operator's ServiceAccount in the audit log, two practices",
    );
    assert_eq!(steady, Vec::<String>::new());

    let (namespace, operator) = RELEASE;
    done(&mut kubectl(&["-n", namespace, "delete", "pod", "-l", "app.kubernetes.io/component=operator"]));
    done(&mut kubectl(&["-n", namespace, "rollout", "status", &format!("deployment/{operator}"), "--timeout=120s"]));
    sleep(Duration::from_secs(20)); // several looks at Kafka and at every object
    let restarted = audit.writes(&scene);
    note(
        "writes after an operator restart",
        restarted.len(),
        "the same, from the deletion of its pod until 20 s after it is ready again",
    );
    assert_eq!(restarted, Vec::<String>::new());
}

fn note(what: &str, writes: usize, how: &str) {
    let writes = u32::try_from(writes).expect("a small number");
    figure(what, f64::from(writes), "", Bound::AtMost(0.0), how);
}

/// The API server's audit log, read on from where the last look ended.
struct Audit {
    log: PathBuf,
    read: u64,
}

impl Audit {
    fn from_here() -> Self {
        let log = PathBuf::from(of_node("KUBECONFIG")).with_file_name("audit.log");
        let read = log.metadata().unwrap_or_else(|error| panic!("{}: {error}", log.display())).len();
        Self { log, read }
    }

    /// The operator's mutating requests since the last look, but for namespaces of others: a node that was up before may
    /// hold practices that somebody works with.
    fn writes(&mut self, scene: &Scene) -> Vec<String> {
        let mut file = File::open(&self.log).expect("it was there before");
        file.seek(SeekFrom::Start(self.read)).expect("it only grows");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("it is text");
        let complete = text.rfind('\n').map_or(0, |end| end + 1);
        self.read += u64::try_from(complete).expect("it fits");
        let user = format!("system:serviceaccount:{}:{}", RELEASE.0, RELEASE.1);
        let ours = [None, Some(RELEASE.0), Some(scene.namespace.as_str())];
        text[..complete]
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("an event a line"))
            .filter(|event| event["user"]["username"] == *user)
            .filter(|event| ours.contains(&event["objectRef"]["namespace"].as_str()))
            .map(|event| format!("{} {}", event["verb"], event["objectRef"]))
            .collect()
    }
}
