//! Stores the ownership record: one `ConfigMap` in the operator's own namespace for each namespace with practices, so that users of
//! such a namespace cannot write it. In: changes of the record. Out: the record as it is stored. Each change is written before it
//! counts. Deliberately absent: what the record means (`practice_plan::ownership`).

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex as Lock, PoisonError},
};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use practice_kafka::Kafka;
use practice_plan::{
    labels::PART_OF,
    ownership::{Home, OwnershipRecord, Update},
};
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    apply::code,
    config_map,
    error::{Request, within},
};

/// How often a change is tried: another process may have written the `ConfigMap` since it was read.
const ATTEMPTS: usize = 3;

/// The uids of all practices.
type Uids = Box<dyn Fn() -> HashSet<String> + Send + Sync>;

/// The records of all namespaces.
#[derive(Default)]
pub struct Ownership {
    /// `None`: local mode, where the record lives as long as the process.
    store: Option<Store>,
    by_namespace: Lock<HashMap<String, Arc<Mutex<Option<Stored>>>>>,
    /// Practices that have ended in this process.
    ended: Lock<HashSet<String>>,
    handing_over: Mutex<()>,
}

struct Store {
    client: Client,
    namespace: String,
    uids: Uids,
}

/// A record, and the version of its `ConfigMap`; `None`: there is no such object.
#[derive(Clone, Default)]
struct Stored {
    record: Arc<OwnershipRecord>,
    version: Option<String>,
}

/// The record could not be read or written.
#[derive(Debug)]
pub struct Unrecorded {
    object: String,
    source: Request,
}

impl fmt::Display for Unrecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ConfigMap {}, which records the topics that the operator created, is not available ({}): grant the operator get, create and patch of ConfigMaps in its namespace",
            self.object, self.source
        )
    }
}

impl Ownership {
    /// Records in `ConfigMap`s of the operator's namespace, which is the client's default one. `uids` returns those of all practices:
    /// entries of others are removed with the next change.
    pub fn in_config_maps(
        client: Client,
        uids: impl Fn() -> HashSet<String> + Send + Sync + 'static,
    ) -> Self {
        let namespace = client.default_namespace().to_owned();
        let store = Store {
            client,
            namespace,
            uids: Box::new(uids),
        };
        Self {
            store: Some(store),
            ..Self::default()
        }
    }

    /// The record of a namespace.
    ///
    /// # Errors
    /// Kubernetes refuses or does not answer.
    pub async fn record(&self, namespace: &str) -> Result<Arc<OwnershipRecord>, Unrecorded> {
        let stored = self.of(namespace);
        let mut stored = stored.lock().await;
        Ok(self.loaded(namespace, &mut stored).await?.record)
    }

    /// Changes the record of a namespace, and returns it as it is stored then. Without a difference nothing is written.
    ///
    /// # Errors
    /// Kubernetes refuses or does not answer: the record may have the change or not.
    pub async fn change(
        &self,
        namespace: &str,
        change: impl Fn(&mut OwnershipRecord),
    ) -> Result<Arc<OwnershipRecord>, Unrecorded> {
        let of = self.of(namespace);
        let mut stored = of.lock().await;
        let mut attempt = 1;
        loop {
            let before = self.loaded(namespace, &mut stored).await?;
            let mut record = OwnershipRecord::clone(&before.record);
            change(&mut record);
            if record == *before.record {
                return Ok(before.record);
            }
            let Some(store) = &self.store else {
                let record = Arc::new(record);
                *stored = Some(Stored {
                    record: record.clone(),
                    version: None,
                });
                return Ok(record);
            };
            let uids = (store.uids)();
            record.keep(|uid| uids.contains(uid));
            let update = before.record.update(&record);
            let record = Arc::new(record);
            *stored = None; // unknown, should this request fail or be cancelled
            match store
                .write(namespace, &update, before.version.as_deref())
                .await
            {
                Ok(version) => {
                    *stored = Some(Stored {
                        record: record.clone(),
                        version,
                    });
                    return Ok(record);
                }
                // another process wrote, created or deleted it
                Err(error) if matches!(code(&error), Some(404 | 409)) && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                Err(source) => return Err(store.unrecorded(namespace, source)),
            }
        }
    }

    /// Excludes other hand-overs and ends of practices, so that no topic is handed over to a practice that ends.
    pub async fn handing_over(&self) -> MutexGuard<'_, ()> {
        self.handing_over.lock().await
    }

    /// Marks a practice as ended: no topic is handed over to it any more.
    pub fn end(&self, uid: &str) {
        let mut ended = lock(&self.ended);
        if let Some(store) = &self.store {
            let uids = (store.uids)();
            ended.retain(|uid| uids.contains(uid));
        }
        ended.insert(uid.to_owned());
    }

    /// Whether a practice has ended.
    pub fn has_ended(&self, uid: &str) -> bool {
        lock(&self.ended).contains(uid)
    }

    fn of(&self, namespace: &str) -> Arc<Mutex<Option<Stored>>> {
        let mut all = lock(&self.by_namespace);
        all.entry(namespace.to_owned()).or_default().clone()
    }

    async fn loaded(
        &self,
        namespace: &str,
        stored: &mut Option<Stored>,
    ) -> Result<Stored, Unrecorded> {
        if let Some(stored) = stored {
            return Ok(stored.clone());
        }
        let read = match &self.store {
            None => Stored::default(),
            Some(store) => {
                let read = store.read(namespace).await;
                read.map_err(|source| store.unrecorded(namespace, source))?
            }
        };
        Ok(stored.insert(read).clone())
    }
}

impl Store {
    fn api(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn unrecorded(&self, namespace: &str, source: Request) -> Unrecorded {
        Unrecorded {
            object: format!("{}/{}", self.namespace, name(namespace)),
            source,
        }
    }

    async fn read(&self, namespace: &str) -> Result<Stored, Request> {
        let name = name(namespace);
        let found = within(format!("read {name}"), self.api().get_opt(&name)).await?;
        Ok(found.map_or_else(Stored::default, |found| Stored {
            record: Arc::new(OwnershipRecord::read(&found.data.unwrap_or_default())),
            version: found.metadata.resource_version,
        }))
    }

    /// Writes an update and returns the new version.
    async fn write(
        &self,
        namespace: &str,
        update: &Update,
        version: Option<&str>,
    ) -> Result<Option<String>, Request> {
        let labels = [
            ("app.kubernetes.io/part-of", PART_OF),
            ("app.kubernetes.io/component", "topic-ownership"),
        ];
        let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned()));
        let mut new = ConfigMap::default();
        new.metadata.name = Some(name(namespace));
        new.metadata.labels = Some(labels.into());
        config_map::write(&self.api(), new, update, version).await
    }
}

/// A Kafka, as the record names it. `bootstrap` is its normalised address.
pub fn home(kafka: &Kafka, bootstrap: &str) -> Home {
    Home {
        cluster_id: kafka.identity().map(|identity| identity.cluster_id),
        bootstrap_servers: bootstrap.to_owned(),
    }
}

/// The `ConfigMap` for the practices of a namespace.
fn name(namespace: &str) -> String {
    format!("consumer-group-topics.{namespace}")
}

fn lock<T>(mutex: &Lock<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
