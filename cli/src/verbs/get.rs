//! `get`: practices as trees, as flat text, or as they are; once or as long as somebody looks.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, pin_mut};
use kube::{
    ResourceExt,
    core::DynamicObject,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use practice_api::ConsumerGroupPractice;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    args::{Get, Output},
    cluster::{Cluster, decoded, decoded_all},
    document,
    error::Failure,
    screen::{Screen, mention},
    text::{Line, Tone},
    tree::{self, tree},
    wide::{self, wide},
};

/// What is drawn in place is drawn anew so often, for ages grow by themselves.
const TICK: Duration = Duration::from_secs(1);

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
        Some(Output::Json) => screen.raw(&document::json(&document::value(
            &practices,
            get.name.is_some(),
        ))),
        Some(Output::Yaml) => screen.raw(&document::yaml(&document::value(
            &practices,
            get.name.is_some(),
        ))),
        Some(Output::Wide) | None if practices.is_empty() => {
            mention(&nothing(cluster, get));
            Ok(())
        }
        // one that was asked for has to be shown, or it is said why not
        Some(Output::Wide) | None if get.name.is_some() => {
            say(&[decoded(&practices[0])?], Vec::new(), get, screen)
        }
        Some(Output::Wide) | None => {
            let (practices, notes) = decoded_all(&practices);
            say(&practices, notes, get, screen)
        }
    }
}

fn say(
    practices: &[ConsumerGroupPractice],
    mut notes: Vec<String>,
    get: &Get,
    screen: &mut Screen,
) -> Result<(), Failure> {
    notes.extend(missing(practices, get));
    for note in &notes {
        mention(note);
    }
    screen.say(&lines(practices, get, screen.width()))
}

/// What the lines do not say themselves.
fn missing(practices: &[ConsumerGroupPractice], get: &Get) -> Vec<String> {
    if get.output == Some(Output::Wide) {
        wide::notes(practices)
    } else {
        Vec::new()
    }
}

fn nothing(cluster: &Cluster, get: &Get) -> String {
    if get.all_namespaces {
        "no practices in any namespace: kubectl apply -f deploy/samples/practice-1.yaml makes one"
            .to_owned()
    } else {
        format!(
            "no practices in namespace {}: -A looks everywhere",
            cluster.namespace
        )
    }
}

fn lines(practices: &[ConsumerGroupPractice], get: &Get, width: Option<usize>) -> Vec<Line> {
    if get.output == Some(Output::Wide) {
        return wide(practices, get.all_namespaces);
    }
    let shape = tree::Shape {
        width,
        with_namespace: get.all_namespaces,
    };
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
    let what = match &get.name {
        Some(name) => format!("watch practice {name} in namespace {}", cluster.namespace),
        None if get.all_namespaces => "watch practices in all namespaces".to_owned(),
        None => format!("watch practices in namespace {}", cluster.namespace),
    };
    let events = watcher(cluster.practices(get.all_namespaces), config).default_backoff();
    pin_mut!(events);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let has_ages = get.output.is_none() && screen.is_live();
    let (mut all, mut filling, mut is_filled) = (Objects::new(), Objects::new(), false);
    let mut notes = Vec::new();
    let key = |practice: &DynamicObject| (practice.namespace(), practice.name_any());
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = ticks.tick(), if has_ages && is_filled => {
                draw(&all, get, &mut notes, screen)?;
                continue;
            }
        };
        let changed: Vec<DynamicObject> = match event {
            None => return Ok(()),
            Some(Ok(Event::Init)) => {
                filling.clear();
                continue;
            }
            Some(Ok(Event::InitApply(practice))) => {
                filling.insert(key(&practice), practice);
                continue;
            }
            Some(Ok(Event::InitDone)) => {
                (all, is_filled) = (std::mem::take(&mut filling), true);
                all.values().cloned().collect()
            }
            Some(Ok(Event::Apply(practice))) => {
                all.insert(key(&practice), practice.clone());
                vec![practice]
            }
            Some(Ok(Event::Delete(practice))) => {
                all.remove(&key(&practice));
                Vec::new()
            }
            Some(Err(error)) => {
                if let Some(failure) = cluster.watch_ends(&what, &error) {
                    return Err(failure);
                }
                if let Some(why) = Cluster::watch_pauses(&error) {
                    screen.aside(&why)?;
                }
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
                    screen.raw(&format!(
                        "---\n{}",
                        document::yaml(&document::value(&[practice], true))
                    ))?;
                }
            }
            Some(Output::Wide) | None => draw(&all, get, &mut notes, screen)?,
        }
    }
}

/// Practices by namespace and name.
type Objects = BTreeMap<(Option<String>, String), DynamicObject>;

/// Draws what is there now. `notes` are those that have been said.
fn draw(
    all: &Objects,
    get: &Get,
    notes: &mut Vec<String>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let objects: Vec<DynamicObject> = all.values().cloned().collect();
    let (practices, mut said) = decoded_all(&objects);
    said.extend(missing(&practices, get));
    for note in said.iter().filter(|note| !notes.contains(note)) {
        screen.aside(note)?;
    }
    *notes = said;
    let mut shown = lines(&practices, get, screen.width());
    if objects.is_empty() && shown.is_empty() {
        let gone = if get.name.is_some() {
            "it is gone"
        } else {
            "no practices"
        };
        shown.push(Line::of(Tone::Dim, gone));
    }
    screen.draw(&shown)
}
