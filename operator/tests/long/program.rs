//! A program as it is released, run on this machine against the node's Kafka.

use std::{env, net::TcpListener, path::PathBuf, process::Command};

use crate::common::command::{of_node, repository};

/// `target/release/<name>` with nothing in its environment but what is given.
pub(crate) fn released(name: &str, env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(path(name));
    command.env_clear().envs(env.iter().copied());
    command
}

/// The same in the network of the node: without the forwarder between it and Kafka, on a loopback of its own.
pub(crate) fn released_inside(name: &str, env: &[(&str, &str)]) -> Command {
    let mut command = inside(path(name).to_str().expect("paths are text"), &[]);
    command.env_clear().envs(env.iter().copied());
    command
}

/// A program of this machine in the network of the node. It keeps the pid that it is started with.
pub(crate) fn inside(program: &str, args: &[&str]) -> Command {
    let file = PathBuf::from(of_node("KUBECONFIG")).with_file_name("init.pid");
    let pid = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut command = Command::new("/usr/bin/nsenter");
    command
        .args(["-t", pid.trim(), "-n", "--", program])
        .args(args);
    command
}

/// A port of loopback that is free.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

fn path(name: &str) -> PathBuf {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository("target"), PathBuf::from);
    let path = target.join("release").join(name);
    assert!(
        path.exists(),
        "{} is missing: make it with `make images`",
        path.display()
    );
    path.canonicalize().expect("it is there")
}
