//! Where the servers' programs are. In: nothing but the environment. Out: paths, after `deploy/node/setup.sh` has filled the
//! cache where it was incomplete. Downloads and builds nothing itself.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Once,
};

/// A file or folder of this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// A Kubernetes program.
pub(crate) fn kubernetes(program: &str) -> PathBuf {
    filled(&format!("bin/{program}"), "kube")
}

/// helm, for tests that ask the chart.
pub fn helm() -> PathBuf {
    filled("bin/helm", "charts")
}

/// The Prometheus server.
pub fn prometheus() -> PathBuf {
    filled("bin/prometheus", "prometheus")
}

/// etcd, and what has to be its `LD_LIBRARY_PATH`: it is unpacked, not installed.
pub(crate) fn etcd() -> (PathBuf, String) {
    let program = filled("sysroot/usr/bin/etcd", "debs");
    let multiarch = format!("{}-linux-gnu", env::consts::ARCH);
    let libraries = ["usr/lib", "lib"].map(|dir| {
        cache()
            .join("sysroot")
            .join(dir)
            .join(&multiarch)
            .display()
            .to_string()
    });
    (program, libraries.join(":"))
}

/// The class path with all of Kafka, its tools included.
pub fn kafka_class_path() -> String {
    static JAVA: Once = Once::new();
    JAVA.call_once(|| of_host("java", "-version", "default-jre-headless"));
    filled("kafka", "kafka").join("*").display().to_string()
}

/// The class data archive of Kafka, which the test bed itself makes.
pub(crate) fn kafka_classes() -> PathBuf {
    cache().join("kafka-classes.jsa")
}

/// A program that this machine itself has to have.
pub(crate) fn of_host(program: &str, version: &str, package: &str) {
    let ran = Command::new(program)
        .arg(version)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(
        ran.is_ok(),
        "{program} is missing on this machine: install it (Debian package {package})"
    );
}

fn cache() -> PathBuf {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("CGP_CACHE").unwrap_or_else(|| {
        let caches = set("XDG_CACHE_HOME")
            .unwrap_or_else(|| set("HOME").unwrap_or_else(|| "/root".into()).join(".cache"));
        caches.join("consumer-group-practice")
    })
}

fn filled(path: &str, verb: &str) -> PathBuf {
    let file = cache().join(path);
    if !file.exists() {
        let setup = repository("deploy/node/setup.sh");
        let ran = Command::new(&setup).arg(verb).stdin(Stdio::null()).status();
        let setup = setup.display();
        assert!(
            ran.as_ref().is_ok_and(std::process::ExitStatus::success) && file.exists(),
            "{} is missing and `{setup} {verb}` did not create it ({ran:?}): run that command and read its output",
            file.display()
        );
    }
    file
}
