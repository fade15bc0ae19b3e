//! What the programs expose, as a real Prometheus sees it: all of them are scraped by the chart's monitors, the chart's rules
//! load, each query of its dashboard has data; and what a scrape costs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    common::{
        alone,
        command::done,
        figures::{Bound, figure, median},
        host, operator,
        sample::Sample,
        scene::{Forward, Scene, condition},
        until,
    },
    program::inside,
    prometheus::{Prometheus, of_kind, rendered},
};

#[test]
fn a_prometheus_scrapes_all_of_it_and_the_dashboard_has_data() {
    let _turn = alone();
    let scene = Scene::new("scrape");
    let stream = json!({"keys": "Random", "load": {"messagesPerSecond": 50, "valueBytes": 100}});
    let sample = Sample::load("practice-3")
        .renamed(&scene.prefix)
        .hundred_times_faster()
        .with("/spec/producer", stream);
    scene.apply(&sample);
    scene.wait_ready(sample.practice());
    let rendered = rendered();
    let prometheus = Prometheus::start(&rendered);

    let pods = scene.pods(sample.practice()).len() + 1;
    until(
        "the operator and all pods are scraped",
        Duration::from_mins(1),
        || {
            let up =
                |job: &str, of: &str| prometheus.numbers(&format!("up{{job=\"{job}\"{of}}} == 1"));
            let of_scene = format!(
                ", namespace=\"{}\", practice=\"{}\"",
                scene.namespace,
                sample.practice()
            );
            let found = (up("operator", "")?.len(), up("practices", &of_scene)?.len());
            if found == (1, pods) {
                Ok(())
            } else {
                Err(format!(
                    "{found:?} are up, {pods} pods; {}",
                    prometheus.get("targets", &[])?
                ))
            }
        },
    );
    let exact = format!(
        "practice_worker_joined{{group=\"{}\", namespace=\"{}\"}}",
        sample.groups()[0],
        scene.namespace
    );
    assert_eq!(
        prometheus.numbers(&exact).expect("a vector").len(),
        2,
        "workers are named by their group's exact id"
    );

    // something to tell of: a rebalance with a cause and partitions that were without an owner, messages that are sent
    scene.patch(
        sample.practice(),
        &json!([{"op": "replace", "path": "/spec/groups/0/replicas", "value": 3}]),
    );
    let forward = Forward::to(&scene, &format!("{}-producer", sample.practice()), 8081);
    for _ in 0..20 {
        forward.send(&json!({"topic": sample.topic(), "value": "scraped"}));
    }
    until(
        "a rebalance with its cause is scraped",
        Duration::from_mins(1),
        || {
            let scaled = "increase(practice_operator_consumer_group_rebalances_total{cause=\"ScaledUp\"}[5m]) > 0";
            let found = prometheus.numbers(scaled)?;
            if found.is_empty() {
                Err("none".to_owned())
            } else {
                Ok(())
            }
        },
    );

    let queries = queries(&dashboard(&rendered), &scene.namespace);
    assert!(
        queries.len() > 30,
        "the dashboard has its queries: {}",
        queries.len()
    );
    until(
        "each query of the dashboard has data",
        Duration::from_mins(1),
        || {
            let empty =
                queries
                    .iter()
                    .filter_map(|(panel, query)| match prometheus.numbers(query) {
                        Ok(numbers) if numbers.is_empty() => {
                            Some(format!("{panel}: nothing from {query}"))
                        }
                        Ok(_) => None,
                        Err(error) => Some(format!("{panel}: {query}: {error}")),
                    });
            let empty: Vec<String> = empty.collect();
            if empty.is_empty() {
                Ok(())
            } else {
                Err(empty.join("\n"))
            }
        },
    );

    rules_load(&prometheus, &rendered);
    let seen = "scrape_samples_scraped{job=\"operator\"}";
    let samples = prometheus.numbers(seen).expect("a vector")[0];
    let how = "by Prometheus, practice-3 with 7 consumers";
    figure(
        "scrape of the operator, practice-3: samples",
        samples,
        "",
        Bound::None,
        how,
    );
    let took = "max_over_time(scrape_duration_seconds{job=\"operator\"}[1m])";
    let took = prometheus.numbers(took).expect("a vector")[0] * 1000.0;
    figure(
        "scrape of the operator, practice-3: the slowest of a minute",
        took,
        "ms",
        Bound::None,
        how,
    );
}

/// The rules are those of the chart, each can be evaluated, and none fires that says that nothing works.
fn rules_load(prometheus: &Prometheus, rendered: &[Value]) {
    let names = |groups: &Value, field: &str| -> Vec<String> {
        let groups = groups["groups"].as_array().map_or(&[][..], Vec::as_slice);
        let rules = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().map_or(&[][..], Vec::as_slice));
        rules
            .map(|rule| rule[field].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let wanted = names(&of_kind(rendered, "PrometheusRule")["spec"], "alert");
    let rules = until("every rule was evaluated", Duration::from_secs(30), || {
        let rules = prometheus.get("rules", &[])?;
        let healthy = names(&rules, "health").iter().all(|health| health == "ok");
        if healthy {
            Ok(rules)
        } else {
            Err(rules.to_string())
        }
    });
    assert_eq!(names(&rules, "name"), wanted);
    let states: Vec<(String, String)> = wanted.into_iter().zip(names(&rules, "state")).collect();
    for (alert, state) in &states {
        let about_scraping = ["PracticeOperatorAbsent", "PracticeOperatorKafkaUnreachable"]
            .contains(&alert.as_str());
        assert!(
            state == "inactive" || (!about_scraping && state == "pending"),
            "{states:?}"
        );
    }
}

fn dashboard(rendered: &[Value]) -> Value {
    let is_it = |document: &&Value| document["data"]["consumer-group-practice.json"].is_string();
    let map = rendered
        .iter()
        .find(is_it)
        .expect("the chart renders a dashboard");
    let text = map["data"]["consumer-group-practice.json"]
        .as_str()
        .expect("it is text");
    serde_json::from_str(text).expect("the dashboard is JSON")
}

/// Title and query of each target, with Grafana's variables filled in.
fn queries(dashboard: &Value, namespace: &str) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let targets = panels.iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
        targets
            .iter()
            .map(|target| (panel["title"].as_str(), target["expr"].as_str()))
    });
    let filled = |(title, query): (Option<&str>, Option<&str>)| {
        let query = query
            .expect("a query")
            .replace("$__rate_interval", "30s")
            .replace("$namespace", namespace);
        let query = query.replace("$practice", ".*").replace("$group", ".*");
        assert!(
            !query.contains('$'),
            "a variable that is not filled in: {query}"
        );
        (title.unwrap_or_default().to_owned(), query)
    };
    targets.map(filled).collect()
}

/// Seven practices with 200 groups on topics of 50 partitions.
const PRACTICES: usize = 7;
const GROUPS: usize = 200;
const PARTITIONS: usize = 50;

#[test]
fn what_a_scrape_of_many_groups_costs() {
    let _turn = alone();
    let scene = Scene::new("scrape-many");
    let items: Vec<Value> = (0..PRACTICES)
        .map(|n| {
            let prefix = format!("{}-{n}", scene.prefix);
            let groups: Vec<Value> = (n..GROUPS)
                .step_by(PRACTICES)
                .map(|g| json!({"name": format!("{prefix}-g{g}"), "replicas": 0}))
                .collect();
            json!({
                "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
                "metadata": {"name": format!("p{n}")},
                "spec": {"topics": [{"name": format!("{prefix}-t"), "partitions": PARTITIONS}], "groups": groups,
                    "producer": {"enabled": false}},
            })
        })
        .collect();
    scene.apply(&Sample(
        json!({"apiVersion": "v1", "kind": "List", "items": items}),
    ));
    let address = operator::pods()[0]["status"]["podIP"]
        .as_str()
        .expect("it has an address")
        .to_owned();
    let url = format!("http://{address}:9090/metrics");
    let of_scene = format!("_topic_partition_lag{{namespace=\"{}\"", scene.namespace);
    until(
        "every partition of every group is exported",
        Duration::from_mins(3),
        || {
            let practices = scene.get(&["cgp"]);
            let ready = practices["items"]
                .as_array()
                .expect("a list")
                .iter()
                .filter(|p| condition(p, "Ready") == "True")
                .count();
            let reported = done(&mut inside("curl", &["-sS", "-m", "10", &url]))
                .matches(&of_scene)
                .count();
            if reported == GROUPS * PARTITIONS {
                Ok(())
            } else {
                Err(format!("{reported}, {ready} practices are ready"))
            }
        },
    );
    let pid = operator::process();
    let before = host::cpu_seconds(pid);
    let runs: Vec<(f64, f64)> = (0..11).map(|_| scraped(&url)).collect();
    let cpu = (host::cpu_seconds(pid) - before) * 1000.0 / 11.0;
    let what = format!("scrape, {PRACTICES} practices, {GROUPS} groups x {PARTITIONS} partitions");
    let how = "curl in the node's network, the median of 11";
    figure(
        &format!("{what}: size"),
        median(runs.iter().map(|run| run.0 / 1024.0).collect()),
        "KiB",
        Bound::None,
        how,
    );
    figure(
        &format!("{what}: time"),
        median(runs.iter().map(|run| run.1 * 1000.0).collect()),
        "ms",
        Bound::None,
        how,
    );
    let how = "utime + stime of the operator meanwhile, its looks included, a scrape";
    figure(&format!("{what}: CPU"), cpu, "ms", Bound::None, how);
}

/// Bytes and seconds of one scrape.
fn scraped(url: &str) -> (f64, f64) {
    let format = "%{size_download} %{time_total}";
    let said = done(&mut inside(
        "curl",
        &["-sS", "-m", "10", "-o", "/dev/null", "-w", format, url],
    ));
    let (bytes, seconds) = said.split_once(' ').expect("two numbers");
    (
        bytes.parse().expect("a number"),
        seconds.trim().parse().expect("a number"),
    )
}
