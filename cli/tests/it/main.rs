//! The plugin as a process against a real kube-apiserver: what it prints, and what it ends with. There is no node, so what
//! needs a kubelet (logs, send, where, view) is tested in `e2e`.

mod fake;
mod scene;

mod checks;
mod errors;
mod follows;
mod operators;
mod plans;
mod shows;
