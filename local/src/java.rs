//! Java, for Apache Kafka. In: the machine. Out: the path of a Java of version 17 or later, or what to install.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::process::passed_environment;

/// Oldest version that brokers of Kafka 4 support.
const OLDEST: u32 = 17;

/// Finds Java: in `JAVA_HOME` first, then on `PATH`.
///
/// # Errors
/// A message with the versions found and the package to install.
pub fn java() -> Result<PathBuf, String> {
    let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
    let candidates = home
        .map(|home| Path::new(&home).join("bin/java"))
        .into_iter()
        .chain([PathBuf::from("java")]);
    let mut found = Vec::new();
    for java in candidates {
        match version(&java) {
            Some(version) if version >= OLDEST => return Ok(java),
            Some(version) => found.push(format!("{} is version {version}", java.display())),
            None => {}
        }
    }
    let there = if found.is_empty() {
        "none was found".to_owned()
    } else {
        found.join(", ")
    };
    Err(format!(
        "--kafka apache needs Java {OLDEST} or later, but {there}: {}, or set JAVA_HOME, or omit --kafka apache",
        install()
    ))
}

fn install() -> &'static str {
    if cfg!(target_os = "macos") {
        "`brew install openjdk` and set JAVA_HOME to \"$(brew --prefix openjdk)\""
    } else if Path::new("/etc/debian_version").exists() {
        "`sudo apt-get install default-jre-headless`"
    } else if Path::new("/etc/fedora-release").exists() || Path::new("/etc/redhat-release").exists()
    {
        "`sudo dnf install java-latest-openjdk-headless`"
    } else {
        "install a Java runtime, such as Temurin from https://adoptium.net"
    }
}

/// Major version of a Java; `None` when it does not run (macOS has a `java` that only prints an error).
fn version(java: &Path) -> Option<u32> {
    let mut command = Command::new(java);
    // brokers get no other variables, and those that the JVM reads, such as JAVA_TOOL_OPTIONS, change what it prints
    command.env_clear().envs(passed_environment());
    let output = command.arg("-version").stdin(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| major(&String::from_utf8_lossy(&output.stderr)))
        .flatten()
}

/// `openjdk version "17.0.15" 2025-04-15` to 17, `java version "1.8.0_402"` to 8. Lines before that one are notes of the JVM, such as
/// `Picked up JDK_JAVA_OPTIONS: ...`, and may have any text.
fn major(output: &str) -> Option<u32> {
    let quoted = output.lines().find_map(|line| {
        let (runtime, quoted) = line.split_once(" version \"")?;
        (!runtime.contains(' ')).then_some(quoted)
    })?;
    let quoted = quoted.split('"').next()?;
    let mut numbers = quoted.split(['.', '-', '_', '+']).map(str::parse);
    match (numbers.next()?.ok()?, numbers.next()) {
        (1, Some(Ok(old))) => Some(old),
        (new, _) => Some(new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_parsed() {
        for (output, expected) in [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK", Some(17)),
            ("java version \"1.8.0_402\"", Some(8)),
            ("openjdk version \"25\" 2025-09-16", Some(25)),
            ("openjdk version \"24-ea\" 2025-03-18", Some(24)),
            (
                "Picked up JAVA_TOOL_OPTIONS: -Da=\"b c\" -Dd=x version \"9\"\nopenjdk version \"21.0.2\" 2024-01-16",
                Some(21),
            ),
            (
                "OpenJDK 64-Bit Server VM warning: \"x\"\njava version \"1.8.0_402\"",
                Some(8),
            ),
            ("Unable to locate a Java Runtime.", None),
            ("", None),
        ] {
            assert_eq!(major(output), expected, "{output}");
        }
    }
}
