//! `get`: practices as trees, as flat text, or as they are; once or as long as somebody looks.

use std::collections::BTreeMap;

use futures::{StreamExt, pin_mut};
use kube::{
    ResourceExt,
    core::DynamicObject,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};

use crate::{
    args::{Get, Output},
    cluster::{Cluster, decoded, decoded_all},
    document,
    error::Failure,
    screen::{Screen, mention},
    text::{Line, Tone},
    tree::{self, tree},
    wide::wide,
};

/// Does it.
///
/// # Errors
/// The practice is not there, or the cluster does not answer.
pub async fn run(cluster: &Cluster, get: &Get, screen: &mut Screen) -> Result<(), Failure> {
    let practices = match &get.name {
        Some(name) => vec![cluster.practice(name).await?],
        None => cluster.all_practices(get.all_namespaces).await?,
    };
    if get.watch {
        return watch(cluster, get, screen).await;
    }
    match get.output {
        Some(Output::Json) => screen.raw(&document::json(&document::value(&practices, get.name.is_some()))),
        Some(Output::Yaml) => screen.raw(&document::yaml(&document::value(&practices, get.name.is_some()))),
        Some(Output::Wide) | None if practices.is_empty() => {
            mention(&nothing(cluster, get));
            Ok(())
        }
        // one that was asked for has to be shown, or it is said why not
        Some(Output::Wide) | None if get.name.is_some() => {
            let practice = decoded(&practices[0])?;
            screen.say(&lines(&[practice], get, screen.width()))
        }
        Some(Output::Wide) | None => screen.say(&lines(&decoded_all(&practices), get, screen.width())),
    }
}

fn nothing(cluster: &Cluster, get: &Get) -> String {
    if get.all_namespaces {
        "no practices in any namespace: kubectl apply -f deploy/samples/practice-1.yaml makes one".to_owned()
    } else {
        format!("no practices in namespace {}: -A looks everywhere", cluster.namespace)
    }
}

fn lines(practices: &[practice_api::ConsumerGroupPractice], get: &Get, width: Option<usize>) -> Vec<Line> {
    if get.output == Some(Output::Wide) {
        return wide(practices, get.all_namespaces);
    }
    let shape = tree::Shape { width, with_namespace: get.all_namespaces };
    let mut lines = Vec::new();
    for (place, practice) in practices.iter().enumerate() {
        if place > 0 {
            lines.push(Line::new());
        }
        lines.extend(tree(practice, shape));
    }
    lines
}

/// Shows it again whenever it changes, without an end.
async fn watch(cluster: &Cluster, get: &Get, screen: &mut Screen) -> Result<(), Failure> {
    let config = match &get.name {
        Some(name) => watcher::Config::default().fields(&format!("metadata.name={name}")),
        None => watcher::Config::default(),
    };
    let events = watcher(cluster.practices(get.all_namespaces), config).default_backoff();
    pin_mut!(events);
    let mut all: BTreeMap<(Option<String>, String), DynamicObject> = BTreeMap::new();
    let mut filling = BTreeMap::new();
    let key = |practice: &DynamicObject| (practice.namespace(), practice.name_any());
    while let Some(event) = events.next().await {
        let changed = match event {
            Ok(Event::Init) => {
                filling.clear();
                continue;
            }
            Ok(Event::InitApply(practice)) => {
                filling.insert(key(&practice), practice);
                continue;
            }
            Ok(Event::InitDone) => {
                all = std::mem::take(&mut filling);
                all.values().cloned().collect()
            }
            Ok(Event::Apply(practice)) => {
                all.insert(key(&practice), practice.clone());
                vec![practice]
            }
            Ok(Event::Delete(practice)) => {
                all.remove(&key(&practice));
                Vec::new()
            }
            Err(error) => {
                let why = crate::cluster::causes(&error);
                mention(&format!("the cluster does not answer, what is above may be old: {why}"));
                continue;
            }
        };
        match get.output {
            Some(Output::Json) => {
                for practice in changed {
                    screen.raw(&document::json(&document::value(&[practice], true)))?;
                }
            }
            Some(Output::Yaml) => {
                for practice in changed {
                    screen.raw(&format!("---\n{}", document::yaml(&document::value(&[practice], true))))?;
                }
            }
            Some(Output::Wide) | None => {
                let practices: Vec<DynamicObject> = all.values().cloned().collect();
                let mut shown = lines(&decoded_all(&practices), get, screen.width());
                if shown.is_empty() {
                    let gone = if get.name.is_some() { "it is gone" } else { "no practices" };
                    shown.push(Line::of(Tone::Dim, gone));
                }
                screen.draw(&shown)?;
            }
        }
    }
    Ok(())
}
