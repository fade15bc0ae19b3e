//! Processes, credentials and flags of a cluster.

use std::{fs, path::Path};

use k8s_openapi::api::{authorization::v1::ResourceAttributes, rbac::v1::PolicyRule};
use serde_json::{Value, json};

use super::{ADMIN_TOKEN, TIMEOUT};
use crate::{
    cache,
    process::{Keeper, Process},
};

/// Of a program in Go: it collects garbage when its heap is four times what is in use instead of twice, up to a size. That takes a
/// fifth less CPU time.
pub(super) const GO_MEMORY: [(&str, &str); 2] = [("GOGC", "300"), ("GOMEMLIMIT", "600MiB")];

pub(super) fn start_apiserver(
    keeper: &Keeper,
    etcd_url: &str,
    port: u16,
    controllers: bool,
) -> Process {
    let dir = keeper.dir();
    let key = path(dir, "sa.key");
    let mut args = vec![
        ("etcd-servers", etcd_url.to_owned()),
        ("bind-address", "127.0.0.1".to_owned()),
        ("secure-port", port.to_string()),
        ("cert-dir", path(dir, "certs")),
        ("service-cluster-ip-range", "10.0.0.0/16".to_owned()),
        ("endpoint-reconciler-type", "none".to_owned()),
        ("authorization-mode", "RBAC".to_owned()),
        ("token-auth-file", path(dir, "tokens")),
        ("service-account-issuer", "https://localhost".to_owned()),
        ("service-account-key-file", key.clone()),
        ("service-account-signing-key-file", key),
        (
            "audit-policy-file",
            cache::repository("deploy/node/audit-policy.yaml")
                .display()
                .to_string(),
        ),
        ("audit-log-path", path(dir, "audit.log")),
        ("audit-log-mode", "blocking".to_owned()),
    ];
    if !controllers {
        // it would refuse every pod: no controller creates the namespace's default ServiceAccount
        args.push(("disable-admission-plugins", "ServiceAccount".to_owned()));
    }
    keeper.spawn(
        "kube-apiserver",
        &GO_MEMORY,
        &cache::kubernetes("kube-apiserver"),
        &flags(args),
    )
}

/// The key that signs service account tokens, the administrator's token, and a kubeconfig with it.
pub(super) async fn write_credentials(keeper: &Keeper, port: u16) {
    cache::of_host("openssl", "version", "openssl");
    let key = keeper.dir().join("sa.key");
    let args = [
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-noout",
        "-out",
    ]
    .map(str::to_owned);
    let args: Vec<String> = args
        .into_iter()
        .chain([key.display().to_string()])
        .collect();
    let openssl = keeper.spawn("openssl", &[], Path::new("openssl"), &args);
    openssl.ended(TIMEOUT).await;
    assert!(
        key.exists(),
        "openssl made no key:\n{}",
        openssl.last_words()
    );
    let tokens = format!("{ADMIN_TOKEN},admin,admin,system:masters\n");
    for (name, text) in [
        ("tokens", tokens),
        ("kubeconfig", kubeconfig(port, ADMIN_TOKEN).to_string()),
    ] {
        fs::write(keeper.dir().join(name), text)
            .unwrap_or_else(|error| panic!("cannot write {name}: {error}"));
    }
}

/// JSON is YAML.
pub(super) fn kubeconfig(port: u16, token: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "testbed",
        "clusters": [{"name": "testbed", "cluster": {"server": local("https", port), "insecure-skip-tls-verify": true}}],
        "users": [{"name": "testbed", "user": {"token": token}}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "testbed"}}],
    })
}

pub(super) fn summary(request: &Value) -> String {
    let object = &request["objectRef"];
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let resource = match object["subresource"].as_str() {
        Some(subresource) => format!("{}/{subresource}", word(&object["resource"])),
        None => word(&object["resource"]),
    };
    format!(
        "{} {resource} {}",
        word(&request["verb"]),
        request["responseStatus"]["code"]
    )
}

pub(super) fn local(scheme: &str, port: u16) -> String {
    format!("{scheme}://127.0.0.1:{port}")
}

pub(super) fn path(dir: &Path, name: &str) -> String {
    dir.join(name).display().to_string()
}

pub(super) fn flags(flags: impl IntoIterator<Item = (&'static str, String)>) -> Vec<String> {
    flags
        .into_iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect()
}

/// One thing that a rule allows.
pub(super) fn any_right(rule: &PolicyRule) -> Option<ResourceAttributes> {
    let first = |words: &Option<Vec<String>>| words.as_ref()?.first().cloned();
    let resource = first(&rule.resources).filter(|_| rule.resource_names.is_none())?;
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource.to_owned(), Some(subresource.to_owned())),
        None => (resource, None),
    };
    Some(ResourceAttributes {
        group: first(&rule.api_groups),
        resource: Some(resource),
        subresource,
        verb: rule.verbs.first().cloned(),
        ..ResourceAttributes::default()
    })
}
