use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Marks the process that will be killed; its value is the directory for the data of its servers.
const HOLDER: &str = "PRACTICE_TESTBED_HOLDER";
const TIMEOUT: Duration = Duration::from_mins(2);

/// Starts itself as a process of its own, which holds servers until it is killed.
#[tokio::test]
async fn a_killed_process_leaves_nothing() {
    if let Some(dir) = env::var_os(HOLDER) {
        let (_kafka, _cluster) = (
            practice_testbed::kafka().await,
            practice_testbed::cluster().await,
        );
        fs::write(Path::new(&dir).join("ready"), "").expect("the directory is writable");
        std::future::pending::<()>().await;
    }
    let dir = env::temp_dir().join(format!("cgp-testbed-leftovers-{}", std::process::id()));
    fs::create_dir(&dir).expect("the temporary directory is writable");
    let mut holder = Command::new(env::current_exe().expect("it is this file"))
        .args(["--exact", "leftovers::a_killed_process_leaves_nothing"])
        .env(HOLDER, &dir)
        .env("TMPDIR", &dir)
        .stdout(Stdio::null())
        .spawn()
        .expect("it can run again");
    until("the servers run", || dir.join("ready").exists());
    let names = |running: Vec<String>| {
        ["etcd", "kube-apiserver", "java"].map(|name| running.iter().any(|p| p.contains(name)))
    };
    assert_eq!(names(processes(&dir)), [true; 3], "{:?}", processes(&dir));

    holder.kill().expect("it runs");
    holder.wait().expect("it has ended");
    fs::remove_file(dir.join("ready")).expect("it was there");
    until("the servers are gone", || processes(&dir).is_empty());
    until("their data is gone", || {
        fs::read_dir(&dir).expect("it is there").next().is_none()
    });
    fs::remove_dir(&dir).expect("it is empty");
}

/// Command lines that name this directory.
fn processes(dir: &Path) -> Vec<String> {
    let dir = dir.display().to_string();
    let entries = fs::read_dir("/proc").expect("this is Linux").flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(&dir)).collect()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {TIMEOUT:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
