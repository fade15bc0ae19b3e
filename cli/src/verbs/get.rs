//! `get`: practices as trees, as flat text or as objects; once, or until interrupted with `-w`.

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
    screen::{Screen, print_note},
    text::{Line, Tone},
    tree::{self, tree},
    wide::{self, wide},
};

/// Interval of redrawing in place, because ages grow without an event.
const REDRAW_INTERVAL: Duration = Duration::from_secs(1);

/// Runs the verb.
///
/// # Errors
/// The practice does not exist, or the cluster does not answer.
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
            print_note(&none_found(cluster, get));
            Ok(())
        }
        // a practice that the user named must be printed, or the command fails
        Some(Output::Wide) | None if get.name.is_some() => {
            print_practices(&[decoded(&practices[0])?], Vec::new(), get, screen)
        }
        Some(Output::Wide) | None => {
            let (practices, notes) = decoded_all(&practices);
            print_practices(&practices, notes, get, screen)
        }
    }
}

fn print_practices(
    practices: &[ConsumerGroupPractice],
    mut notes: Vec<String>,
    get: &Get,
    screen: &mut Screen,
) -> Result<(), Failure> {
    notes.extend(unlisted_notes(practices, get));
    for note in &notes {
        print_note(note);
    }
    screen.print(&lines(practices, get, screen.width()))
}

/// Warnings about what status does not list.
fn unlisted_notes(practices: &[ConsumerGroupPractice], get: &Get) -> Vec<String> {
    if get.output == Some(Output::Wide) {
        wide::notes(practices)
    } else {
        Vec::new()
    }
}

fn none_found(cluster: &Cluster, get: &Get) -> String {
    if get.all_namespaces {
        "no practices in any namespace: create one with kubectl apply -f deploy/samples/practice-1.yaml"
            .to_owned()
    } else {
        format!(
            "no practices in namespace {}: -A lists all namespaces",
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

/// Prints practices on every change, until interrupted.
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
    let mut ticks = interval(REDRAW_INTERVAL);
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
                if let Some(failure) = cluster.watch_failure(&what, &error) {
                    return Err(failure);
                }
                if let Some(why) = Cluster::watch_warning(&error) {
                    screen.print_note(&why)?;
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

/// Draws the current practices. `notes` are the warnings that are already printed.
fn draw(
    all: &Objects,
    get: &Get,
    notes: &mut Vec<String>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let objects: Vec<DynamicObject> = all.values().cloned().collect();
    let (practices, mut warnings) = decoded_all(&objects);
    warnings.extend(unlisted_notes(&practices, get));
    for note in warnings.iter().filter(|note| !notes.contains(note)) {
        screen.print_note(note)?;
    }
    *notes = warnings;
    let mut shown = lines(&practices, get, screen.width());
    if objects.is_empty() && shown.is_empty() {
        let empty = if get.name.is_some() {
            "the practice was deleted"
        } else {
            "no practices"
        };
        shown.push(Line::of(Tone::Dim, empty));
    }
    screen.draw(&shown)
}
