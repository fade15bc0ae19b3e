//! The manifests of `deploy/samples`, as they are or with names of one's own and shorter delays.

use serde_json::Value;

use super::{command::repository, kafka};

/// A manifest.
#[derive(Debug, Clone)]
pub(crate) struct Sample(pub(crate) Value);

impl Sample {
    /// `deploy/samples/<name>.yaml`
    pub(crate) fn load(name: &str) -> Self {
        let path = repository(&Self::path(name));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(
            serde_yaml::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        )
    }

    pub(crate) fn path(name: &str) -> String {
        format!("deploy/samples/{name}.yaml")
    }

    /// The same with topics and groups called `<prefix>-t1`, `<prefix>-g1` and so on.
    pub(crate) fn renamed(mut self, prefix: &str) -> Self {
        for (list, letter) in [("topics", 't'), ("groups", 'g')] {
            for (i, item) in self.list(list).iter_mut().enumerate() {
                item["name"] = format!("{prefix}-{letter}{}", i + 1).into();
            }
        }
        self
    }

    /// The same with delays of a hundredth: `5s` becomes `50ms`.
    pub(crate) fn hundred_times_faster(mut self) -> Self {
        for group in self.list("groups") {
            hasten(group);
            group
                .get_mut("variants")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
                .for_each(hasten);
        }
        self
    }

    /// One of the sample's fields, to change it.
    pub(crate) fn with(mut self, pointer: &str, value: Value) -> Self {
        *self
            .0
            .pointer_mut(pointer)
            .unwrap_or_else(|| panic!("the sample has no {pointer}")) = value;
        self
    }

    pub(crate) fn practice(&self) -> &str {
        self.0["metadata"]["name"]
            .as_str()
            .expect("the sample has a name")
    }

    pub(crate) fn topic(&self) -> String {
        self.names("topics").swap_remove(0)
    }

    pub(crate) fn groups(&self) -> Vec<String> {
        self.names("groups")
    }

    /// Whether Kafka knows one of its topics or groups already, be it from somebody's practice.
    pub(crate) fn is_known_to_kafka(&self) -> bool {
        let mut ours = self.names("topics").into_iter().chain(self.names("groups"));
        let known = kafka::names();
        ours.any(|name| known.contains(&name))
    }

    fn names(&self, list: &str) -> Vec<String> {
        let items = self.0["spec"][list]
            .as_array()
            .expect("the sample has this list");
        items
            .iter()
            .map(|item| item["name"].as_str().expect("each has a name").to_owned())
            .collect()
    }

    fn list(&mut self, list: &str) -> &mut Vec<Value> {
        self.0["spec"][list]
            .as_array_mut()
            .expect("the sample has this list")
    }
}

fn hasten(row: &mut Value) {
    let Some(delay) = row.get_mut("processingDelay") else {
        return;
    };
    let seconds = delay
        .as_str()
        .and_then(|delay| delay.strip_suffix('s')?.parse::<u32>().ok());
    *delay = format!("{}ms", seconds.expect("samples' delays are in s") * 10).into();
}
