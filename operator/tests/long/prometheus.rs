//! A real Prometheus in the network of the node. In: the chart's monitors and rules, as helm renders them. Out: what it
//! answers. It finds its targets by Kubernetes, configured as Prometheus' operator would for these monitors.

use std::{fs, path::PathBuf, process::Stdio, time::Duration};

use serde_json::{Value, json};

use crate::{
    common::{
        RELEASE,
        command::{Background, done, helm, of_node, repository, run},
        until,
    },
    program::inside,
};

/// In the node's network, where nothing else listens there.
const LISTEN: &str = "127.0.0.1:19091";

/// One that runs; ends, with what it has stored, with its owner.
pub(crate) struct Prometheus {
    dir: PathBuf,
    /// Of its HTTP API.
    url: String,
    _process: Background,
}

/// Everything that the chart renders for monitoring, a document each.
pub(crate) fn rendered() -> Vec<Value> {
    let chart = repository("charts/consumer-group-practice")
        .display()
        .to_string();
    let on =
        ["monitors", "rules", "dashboard"].map(|part| format!("monitoring.{part}.enabled=true"));
    let mut template = helm(&[
        "template",
        "cgp",
        &chart,
        "-n",
        RELEASE.0,
        "--kube-version",
        "1.34.0",
    ]);
    let said = done(
        template
            .args(["--set", "kafka.bootstrapServers=k:9092"])
            .args(["--set", &on.join(",")]),
    );
    let document =
        |text: &str| serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    said.split("\n---\n").map(document).collect()
}

/// The one document of a kind, or of the first of several.
pub(crate) fn of_kind<'a>(rendered: &'a [Value], kind: &str) -> &'a Value {
    rendered
        .iter()
        .find(|document| document["kind"] == kind)
        .unwrap_or_else(|| panic!("the chart renders no {kind}"))
}

impl Prometheus {
    pub(crate) fn start(rendered: &[Value]) -> Self {
        let dir = std::env::temp_dir().join(format!("cgp-prometheus-{}", std::process::id()));
        let write = |name: &str, content: &Value| {
            let path = dir.join(name);
            fs::write(&path, content.to_string())
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            path.display().to_string()
        };
        fs::create_dir_all(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        let rules = write("rules.yaml", &of_kind(rendered, "PrometheusRule")["spec"]); // JSON is YAML
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [
                job("operator", of_kind(rendered, "ServiceMonitor")),
                job("practices", of_kind(rendered, "PodMonitor")),
            ],
        });
        let config = format!("--config.file={}", write("prometheus.yaml", &config));
        let data = format!("--storage.tsdb.path={}", dir.join("data").display());
        let listen = format!("--web.listen-address={LISTEN}");
        let program = practice_testbed::prometheus().display().to_string();
        let mut command = inside(&program, &[&config, &data, &listen, "--log.level=warn"]);
        let url = format!("http://{LISTEN}/api/v1");
        let this = Self {
            dir,
            url,
            _process: Background::start(command.stdout(Stdio::null())),
        };
        until("Prometheus is ready", Duration::from_secs(30), || {
            run(&mut inside(
                "curl",
                &["-sSf", "-m", "5", &format!("http://{LISTEN}/-/ready")],
            ))
        });
        this
    }

    /// `data` of an answer of its HTTP API.
    pub(crate) fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let url = format!("{}/{path}", self.url);
        let pairs: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut curl = inside("curl", &["-sS", "-m", "10", "-G", &url]);
        for pair in &pairs {
            curl.args(["--data-urlencode", pair]);
        }
        let said = run(&mut curl)?;
        let answer: Value =
            serde_json::from_str(&said).map_err(|error| format!("{error}: {said}"))?;
        if answer["status"] == "success" {
            Ok(answer["data"].clone())
        } else {
            Err(said)
        }
    }

    /// The numbers that a query has now; `NaN` is none.
    pub(crate) fn numbers(&self, query: &str) -> Result<Vec<f64>, String> {
        let data = self.get("query", &[("query", query)])?;
        let samples = data["result"]
            .as_array()
            .ok_or_else(|| format!("no vector: {data}"))?;
        let number = |sample: &Value| sample["value"][1].as_str()?.parse().ok();
        Ok(samples
            .iter()
            .filter_map(number)
            .filter(|number: &f64| !number.is_nan())
            .collect())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir); // it lies in the temporary directory
    }
}

/// What Prometheus' operator makes of a monitor with one endpoint: targets by selector and port, its labels, its relabelings.
fn job(name: &str, monitor: &Value) -> Value {
    let spec = &monitor["spec"];
    let (endpoint, role, object, port) = match monitor["kind"].as_str() {
        Some("ServiceMonitor") => (
            &spec["endpoints"][0],
            "endpointslice",
            "service",
            "endpointslice_port_name",
        ),
        _ => (
            &spec["podMetricsEndpoints"][0],
            "pod",
            "pod",
            "pod_container_port_name",
        ),
    };
    let pki = PathBuf::from(of_node("KUBECONFIG")).with_file_name("pki");
    let file = |name: &str| pki.join(name).display().to_string();
    let mut discovery = json!({
        "role": role,
        "api_server": "https://127.0.0.1:6443",
        "tls_config": {"ca_file": file("ca.crt"), "cert_file": file("admin.crt"), "key_file": file("admin.key")},
    });
    if spec["namespaceSelector"]["any"] != true {
        discovery["namespaces"] = json!({"names": [monitor["metadata"]["namespace"]]});
    }
    let mut relabelings = Vec::new();
    let mut keep = |label: String, values: &str| {
        relabelings.push(json!({"action": "keep", "source_labels": [label], "regex": values}));
    };
    for (label, value) in spec["selector"]["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
    {
        keep(of_label(object, label), value.as_str().expect("a label"));
    }
    for expression in spec["selector"]["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten()
    {
        assert_eq!(expression["operator"], "In", "{expression}");
        let values: Vec<&str> = expression["values"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        keep(
            of_label(object, expression["key"].as_str().expect("a label")),
            &values.join("|"),
        );
    }
    keep(
        format!("__meta_kubernetes_{port}"),
        endpoint["port"].as_str().expect("a port's name"),
    );
    for (from, to) in [("namespace", "namespace"), ("pod_name", "pod")] {
        relabelings.push(
            json!({"source_labels": [format!("__meta_kubernetes_{from}")], "target_label": to}),
        );
    }
    for relabeling in endpoint["relabelings"].as_array().into_iter().flatten() {
        let keys: Vec<&String> = relabeling.as_object().expect("an object").keys().collect();
        assert_eq!(
            keys,
            ["sourceLabels", "targetLabel"],
            "nothing else is translated here"
        );
        relabelings
            .push(json!({"source_labels": relabeling["sourceLabels"], "target_label": relabeling["targetLabel"]}));
    }
    json!({
        "job_name": name,
        "metrics_path": endpoint["path"],
        "honor_labels": endpoint["honorLabels"] == true,
        "kubernetes_sd_configs": [discovery],
        "relabel_configs": relabelings,
    })
}

/// The name under which Prometheus knows a label of an object.
fn of_label(object: &str, label: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!(
        "__meta_kubernetes_{object}_label_{}",
        label.chars().map(legal).collect::<String>()
    )
}
