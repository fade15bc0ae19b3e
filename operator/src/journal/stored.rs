//! Stores the journal in the practice's `ConfigMap`: what has changed of it, and no more often than its budget allows. In: a plan, the
//! journal in memory. Out: when to store again, and an Event if the object belongs to another owner, which stays as it is.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use practice_plan::{
    events::{PracticeEvent, Severity},
    labels::{PART_OF, PRACTICE},
    ownership::Update,
    plan::Plan,
};
use serde_json::json;

use super::key;
use crate::{
    apply::code,
    budget::Budget,
    config_map::write,
    error::{Error, within},
    live::owner,
    memory::{Memory, PracticeStates},
    objects::owner_reference,
};

/// Largest journal written, in bytes; the API server accepts a `ConfigMap` of 1 MiB.
const LARGEST: usize = 768 << 10;
/// How often a write is tried: another client may have changed the object since it was read.
const ATTEMPTS: usize = 3;

/// The stored journal of a practice.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Uid of the practice.
    uid: String,
    /// Version of the journal when it was last written or read.
    version: u64,
    object: Object,
    budget: Budget,
    /// An Event of its practice has reported that the object is another owner's.
    reported: bool,
}

/// The `ConfigMap`, as it was last read or written.
#[derive(Debug, Clone, Default)]
enum Object {
    #[default]
    Missing,
    Own {
        /// `metadata.resourceVersion`.
        version: Option<String>,
        /// A hash of the text of each group.
        texts: BTreeMap<String, u64>,
    },
    /// Another owner's.
    Foreign,
    /// That of a former practice of this name, which is being deleted.
    Former,
}

impl Object {
    fn read(found: Option<&ConfigMap>, plan: &Plan) -> Self {
        let Some(found) = found else {
            return Self::Missing;
        };
        let owner = owner(found);
        if owner.is_former(plan) {
            return Self::Former;
        }
        if owner.uid != plan.uid {
            return Self::Foreign;
        }
        let texts = found.data.iter().flatten();
        Self::Own {
            version: found.metadata.resource_version.clone(),
            texts: texts
                .map(|(group, text)| (group.clone(), hash(text)))
                .collect(),
        }
    }

    /// What to write so that it has these texts.
    fn update(&self, texts: &BTreeMap<String, String>) -> Update {
        let there = match self {
            Self::Own { texts, .. } => texts,
            _ => &BTreeMap::new(),
        };
        let removed = there.keys().filter(|group| !texts.contains_key(*group));
        let removed = removed.map(|group| (group.clone(), None));
        let set = texts.iter();
        let set = set.filter(|(group, text)| there.get(*group) != Some(&hash(text)));
        let set = set.map(|(group, text)| (group.clone(), Some(text.clone())));
        removed.chain(set).collect()
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The result of storing a journal.
#[derive(Debug, Default)]
pub struct Stored {
    /// When to store what is not stored yet.
    pub again: Option<Duration>,
    /// Why it is not stored, once.
    pub event: Option<PracticeEvent>,
}

/// Loads the journal that a former operator process stored, once for each practice.
///
/// # Errors
/// [`Error::Apply`] when Kubernetes refuses or does not answer.
pub async fn load(client: &Client, plan: &Plan, memories: &PracticeStates) -> Result<(), Error> {
    let is_known = |memory: &Memory| {
        let kept = memory.kept.as_ref();
        kept.is_some_and(|kept| kept.uid == plan.uid)
    };
    if memories.all().get(&key(plan)).is_some_and(is_known) {
        return Ok(());
    }
    let found = within("read the journal", api(client, plan).get_opt(&name(plan))).await;
    let found = found.map_err(Error::Apply)?;
    let object = Object::read(found.as_ref(), plan);
    let mut all = memories.all();
    let memory = all.entry(key(plan)).or_default();
    // a former practice of this name is another practice
    let former = memory.kept.take();
    if former.is_some_and(|former| former.uid != plan.uid) {
        memory.journal = Arc::default();
        memory.witness.keep(|_| false);
    }
    let data = match object {
        Object::Former => return Ok(()), // the next reconcile reads it again
        Object::Own { .. } => found.and_then(|found| found.data).unwrap_or_default(),
        Object::Missing | Object::Foreign => BTreeMap::new(),
    };
    let version = memory.journal.version();
    for (group, text) in &data {
        if let Err(error) = Arc::make_mut(&mut memory.journal).restore(group, text) {
            tracing::warn!(group, %error, "journal of the group is unreadable and starts empty");
        }
    }
    memory.kept = Some(Kept {
        uid: plan.uid.clone(),
        version,
        object,
        budget: Budget::full(memories.tick()),
        reported: false,
    });
    Ok(())
}

/// Stores the journal if it has changed.
///
/// # Errors
/// [`Error::Publish`] when Kubernetes refuses or does not answer.
pub async fn store(
    client: &Client,
    plan: &Plan,
    memories: &PracticeStates,
) -> Result<Stored, Error> {
    let (version, texts, mut object) = match due(plan, memories) {
        Due::Now {
            version,
            texts,
            object,
        } => (version, texts, object),
        Due::Later(again) => {
            return Ok(Stored {
                again: Some(again),
                event: reported(plan, memories),
            });
        }
        Due::Nothing => {
            return Ok(Stored {
                again: None,
                event: reported(plan, memories),
            });
        }
    };
    let api = api(client, plan);
    let (mut spent, mut attempt) = (0, 1);
    loop {
        let update = object.update(&texts);
        let known = match &object {
            Object::Own { version, .. } => version.as_deref(),
            _ => None,
        };
        if update.is_empty() {
            break;
        }
        match write(&api, new(plan), &update, known).await {
            Ok(version) => {
                let each = update.values().flatten();
                spent = each.map(String::len).sum();
                let texts = texts.iter();
                let texts = texts.map(|(group, text)| (group.clone(), hash(text)));
                object = Object::Own {
                    version,
                    texts: texts.collect(),
                };
                break;
            }
            // another client created, changed or deleted it
            Err(error) if matches!(code(&error), Some(404 | 409)) && attempt < ATTEMPTS => {
                attempt += 1;
                let found = within("read the journal", api.get_opt(&name(plan))).await;
                object = Object::read(found.map_err(Error::Publish)?.as_ref(), plan);
                match object {
                    Object::Own { .. } | Object::Missing => {}
                    Object::Foreign => break,
                    Object::Former => return Ok(Stored::default()),
                }
            }
            // the namespace or the practice is being deleted
            Err(error) if matches!(code(&error), Some(404 | 409)) => return Ok(Stored::default()),
            // rejected: a retry would be rejected again
            Err(error) if code(&error).is_some_and(|code| (400..500).contains(&code)) => {
                tracing::warn!(%error, "journal not stored");
                break;
            }
            Err(error) => return Err(Error::Publish(error)),
        }
    }
    if let Some(memory) = memories.all().get_mut(&key(plan))
        && let Some(kept) = memory.kept.as_mut()
    {
        kept.budget.spend(spent);
        if matches!(object, Object::Foreign) {
            kept.budget.failed(); // tried again later: its owner may have deleted it
        } else {
            (kept.version, kept.reported) = (version, false);
        }
        kept.object = object;
    }
    Ok(Stored {
        again: None,
        event: reported(plan, memories),
    })
}

/// What is to be stored.
enum Due {
    Nothing,
    Later(Duration),
    Now {
        version: u64,
        texts: BTreeMap<String, String>,
        object: Object,
    },
}

fn due(plan: &Plan, memories: &PracticeStates) -> Due {
    let mut all = memories.all();
    let Some(memory) = all.get_mut(&key(plan)) else {
        return Due::Nothing;
    };
    let version = memory.journal.version();
    let Some(kept) = memory.kept.as_mut().filter(|kept| kept.version != version) else {
        return Due::Nothing;
    };
    if let Some(wait) = kept.budget.wait(memories.tick()) {
        return Due::Later(wait);
    }
    Due::Now {
        version,
        texts: memory.journal.written(LARGEST),
        object: kept.object.clone(),
    }
}

/// The Event that the object is another owner's, the first time.
fn reported(plan: &Plan, memories: &PracticeStates) -> Option<PracticeEvent> {
    let mut all = memories.all();
    let kept = all.get_mut(&key(plan))?.kept.as_mut()?;
    if kept.reported || !matches!(kept.object, Object::Foreign) {
        return None;
    }
    kept.reported = true;
    let name = name(plan);
    let text = format!(
        "ConfigMap {name} does not belong to this practice and stays as it is: the journal of rebalances is lost when the operator restarts; delete it, or rename the practice"
    );
    Some(PracticeEvent {
        severity: Severity::Warning,
        reason: "JournalNotStored",
        action: "Publish",
        subject: Some(("ConfigMap", name)),
        text,
    })
}

fn api(client: &Client, plan: &Plan) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), &plan.namespace)
}

/// The object without data.
fn new(plan: &Plan) -> ConfigMap {
    let body = json!({"metadata": {
        "name": name(plan),
        "labels": {PRACTICE: plan.name, "app.kubernetes.io/part-of": PART_OF, "app.kubernetes.io/component": "journal"},
        "ownerReferences": [owner_reference(plan)],
    }});
    serde_json::from_value(body).expect("should be the metadata of an object")
}

/// The `ConfigMap` of a practice's journal.
fn name(plan: &Plan) -> String {
    format!("{}-journal", plan.name)
}
