//! The cluster. In: which kubeconfig, context and namespace. Out: practices and pods, or a sentence why not. Every request has
//! a deadline, and nothing is ever written but what `check` asks about rights (reviews, which are not stored).

use std::{future::Future, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, ObjectList},
    core::{DynamicObject, NamespaceResourceScope},
    discovery::ApiResource,
    runtime::watcher,
};
use practice_api::ConsumerGroupPractice;
use practice_plan::labels::{COMPONENT, PRACTICE};
use serde::de::DeserializeOwned;

use crate::{args::Common, error::Failure, kubeconfig::config};

/// Longest time that one request may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// Longest time until a connection stands.
const CONNECT: Duration = Duration::from_secs(5);
/// Objects that are asked for at once.
const PAGE: u32 = 500;

/// A cluster, and the namespace that is meant.
#[derive(Clone)]
pub struct Cluster {
    /// Talks to it.
    pub client: Client,
    /// Its URL.
    pub url: String,
    /// The namespace that is meant.
    pub namespace: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cluster({}, {})", self.url, self.namespace)
    }
}

impl Cluster {
    /// The one that is meant. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the kubeconfig does not say where it is.
    pub async fn of(common: &Common) -> Result<Self, Failure> {
        let mut config = config(common).await?;
        // a person waits: what cannot be reached is said at once, not tried for minutes
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT);
        let url = config.cluster_url.to_string();
        let namespace = common
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| {
            Failure::Usage(format!(
                "the kubeconfig cannot be used for {url}: {}",
                causes(&error)
            ))
        })?;
        Ok(Self {
            client,
            url,
            namespace,
        })
    }

    /// Waits for an answer.
    ///
    /// # Errors
    /// As [`failure`](Self::failure); and when no answer comes.
    pub async fn ask<T>(
        &self,
        what: &str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Failure> {
        match self.answered(request).await {
            Ok(answer) => answer.map_err(|error| self.failure(what, &error)),
            Err(failure) => Err(failure),
        }
    }

    /// Waits for an answer, which may be a refusal.
    ///
    /// # Errors
    /// [`Failure::Unreachable`].
    pub async fn answered<T>(
        &self,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<Result<T, kube::Error>, Failure> {
        let late = |_| {
            let seconds = DEADLINE.as_secs();
            Failure::Unreachable(format!("{} has not answered within {seconds} s", self.url))
        };
        tokio::time::timeout(DEADLINE, request).await.map_err(late)
    }

    /// What a refusal, or a silence, means to whoever typed the command.
    pub fn failure(&self, what: &str, error: &kube::Error) -> Failure {
        match error {
            kube::Error::Api(status) => match status.code {
                401 => Failure::Refused(format!(
                    "{} does not know who you are ({}): log in anew, or choose another --context",
                    self.url, status.message
                )),
                403 => Failure::Refused(format!("{what}: you may not: {}", status.message)),
                404 if is_not_served(status) => Failure::NotFound(format!(
                    "{} does not serve ConsumerGroupPractice: install the chart first, or choose another --context. \
                     `kubectl cgp check` says what is missing",
                    self.url
                )),
                404 => Failure::NotFound(format!("{what}: {}", status.message)),
                _ => Failure::Refused(format!("{what}: {}", status.message)),
            },
            kube::Error::Service(_) | kube::Error::HyperError(_) => Failure::Unreachable(format!(
                "{} does not answer: {}\nis the cluster up, and is this the right one? kubectl config current-context",
                self.url,
                causes(error)
            )),
            kube::Error::Auth(error) => Failure::Refused(format!(
                "no credentials for {}: {}",
                self.url,
                causes(error)
            )),
            error => Failure::Refused(format!("{what}: {}", causes(error))),
        }
    }

    /// What a watch ends with; `None`: it is tried again, and may get better by itself.
    pub fn watch_ends(&self, what: &str, error: &watcher::Error) -> Option<Failure> {
        let status = refusal(error)?;
        matches!(status.code, 401 | 403 | 404)
            .then(|| self.failure(what, &kube::Error::Api(Box::new(status.clone()))))
    }

    /// Why a watch that goes on shows nothing new for a while; `None`: it has only grown too old, and begins anew.
    pub fn watch_pauses(error: &watcher::Error) -> Option<String> {
        match refusal(error) {
            Some(status) if status.code == 410 => None,
            Some(status) => Some(format!(
                "the cluster refuses, what is shown may be old: {}",
                status.message
            )),
            None => Some(format!(
                "the cluster does not answer, what is shown may be old: {}",
                causes(error)
            )),
        }
    }

    /// An API of the namespace that is meant.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Practices as they are, with fields that this plugin does not know; of one namespace, or of all.
    pub fn practices(&self, all: bool) -> Api<DynamicObject> {
        let kind = ApiResource::erase::<ConsumerGroupPractice>(&());
        if all {
            Api::all_with(self.client.clone(), &kind)
        } else {
            Api::namespaced_with(self.client.clone(), &self.namespace, &kind)
        }
    }

    /// One practice.
    ///
    /// # Errors
    /// [`Failure::NotFound`] names those that are there, and where there is one of this name.
    pub async fn practice(&self, name: &str) -> Result<DynamicObject, Failure> {
        match self.practice_if_any(name).await? {
            Some(practice) => Ok(practice),
            None => Err(self.missing(name).await),
        }
    }

    /// One practice; `None`: there is none of that name.
    ///
    /// # Errors
    /// It cannot be asked for.
    pub async fn practice_if_any(&self, name: &str) -> Result<Option<DynamicObject>, Failure> {
        let what = format!("read practice {name} in namespace {}", self.namespace);
        match self.answered(self.practices(false).get(name)).await? {
            Ok(practice) => Ok(Some(practice)),
            Err(kube::Error::Api(status)) if status.code == 404 && !is_not_served(&status) => {
                Ok(None)
            }
            Err(error) => Err(self.failure(&what, &error)),
        }
    }

    /// All practices.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn all_practices(&self, all: bool) -> Result<Vec<DynamicObject>, Failure> {
        let place = if all {
            "all namespaces".to_owned()
        } else {
            format!("namespace {}", self.namespace)
        };
        self.list(
            &format!("list practices in {place}"),
            &self.practices(all),
            &ListParams::default(),
        )
        .await
    }

    /// Everything of a list, page after page.
    ///
    /// # Errors
    /// It cannot be listed.
    pub async fn list<K>(
        &self,
        what: &str,
        api: &Api<K>,
        params: &ListParams,
    ) -> Result<Vec<K>, Failure>
    where
        K: Clone + DeserializeOwned + std::fmt::Debug,
    {
        let mut params = params.clone().limit(PAGE);
        let mut items = Vec::new();
        loop {
            let page: ObjectList<K> = self.ask(what, api.list(&params)).await?;
            items.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(items),
            }
        }
    }

    /// Names of practices here, and namespaces in which there is one of that name.
    async fn missing(&self, name: &str) -> Failure {
        let names = |practices: Vec<DynamicObject>| {
            let mut names: Vec<String> = practices.iter().map(ResourceExt::name_any).collect();
            names.sort();
            names
        };
        let here = self
            .all_practices(false)
            .await
            .map(names)
            .unwrap_or_default();
        let there = match here.as_slice() {
            [] => "there is none".to_owned(),
            [one] => format!("there is {one}"),
            some => format!("there are {}", some.join(", ")),
        };
        let mut said = format!(
            "no practice `{name}` in namespace `{}`: {there}",
            self.namespace
        );
        let params = ListParams::default().fields(&format!("metadata.name={name}"));
        // whoever may not look everywhere is not told where it is
        if let Ok(elsewhere) = self
            .list("look everywhere", &self.practices(true), &params)
            .await
        {
            let places: Vec<String> = elsewhere
                .iter()
                .filter_map(ResourceExt::namespace)
                .collect();
            if let Some(first) = places.first() {
                said = format!(
                    "{said}\n`{name}` is in namespace {}: add -n {first}",
                    places.join(", ")
                );
            } else if here.is_empty()
                && let Ok(all) = self
                    .list(
                        "look everywhere",
                        &self.practices(true),
                        &ListParams::default().limit(50),
                    )
                    .await
                && !all.is_empty()
            {
                let mut all: Vec<String> = all
                    .iter()
                    .map(|practice| {
                        format!(
                            "{} -n {}",
                            practice.name_any(),
                            practice.namespace().unwrap_or_default()
                        )
                    })
                    .collect();
                all.sort();
                all.truncate(10);
                said = format!("{said}\nelsewhere there are: {}", all.join(", "));
            }
        }
        Failure::NotFound(said)
    }

    /// Pods of a practice that are this component.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn pods(&self, practice: &str, component: &str) -> Result<Vec<Pod>, Failure> {
        let params =
            ListParams::default().labels(&format!("{PRACTICE}={practice},{COMPONENT}={component}"));
        let what = format!(
            "list the pods of {practice} in namespace {}",
            self.namespace
        );
        self.list(&what, &self.api::<Pod>(), &params).await
    }
}

/// A practice as this plugin knows it.
///
/// # Errors
/// It is of a shape that this plugin does not know.
pub fn decoded(practice: &DynamicObject) -> Result<ConsumerGroupPractice, Failure> {
    let name = practice.name_any();
    let value = serde_json::to_value(practice)
        .map_err(|error| Failure::Refused(format!("{name}: {error}")))?;
    serde_json::from_value(value).map_err(|error| {
        Failure::Refused(format!(
            "practice {name} is of a shape that this plugin does not know ({error}): -o yaml shows it as it is; \
             plugin and operator should be of one version, see kubectl cgp version"
        ))
    })
}

/// Practices as this plugin knows them, by name; and a note for each that is of another shape and left out.
pub fn decoded_all(practices: &[DynamicObject]) -> (Vec<ConsumerGroupPractice>, Vec<String>) {
    let (mut all, mut notes) = (Vec::new(), Vec::new());
    for practice in practices {
        match decoded(practice) {
            Ok(practice) => all.push(practice),
            Err(failure) => notes.push(format!("warning: {failure}")),
        }
    }
    let key = |practice: &ConsumerGroupPractice| {
        (
            practice.metadata.namespace.clone(),
            practice.metadata.name.clone(),
        )
    };
    all.sort_by_key(key);
    (all, notes)
}

/// What the cluster said to a watch, if it did.
fn refusal(error: &watcher::Error) -> Option<&kube::core::Status> {
    use watcher::Error;
    match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status))
        | Error::WatchError(status) => Some(status),
        _ => None,
    }
}

/// The code that a refusal came with.
pub fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// A 404 that is about the kind, not about one object of it.
fn is_not_served(status: &kube::core::Status) -> bool {
    status
        .details
        .as_ref()
        .is_none_or(|details| details.name.is_empty())
}

/// An error with what is behind it, each said once.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        next = error.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use kube::Config;

    use super::*;

    #[tokio::test]
    async fn a_watch_ends_when_trying_again_is_of_no_use() {
        let config = Config::new("http://127.0.0.1:1".parse().expect("it is a URL"));
        let client = Client::try_from(config).expect("nothing is sent yet");
        let cluster = Cluster {
            client,
            url: "http://here".to_owned(),
            namespace: "a".to_owned(),
        };
        let status = |code: u16| {
            kube::core::Status::failure("because", "Reason")
                .with_code(code)
                .boxed()
        };
        for code in [401, 403, 404] {
            let api = || kube::Error::Api(status(code));
            for error in [
                watcher::Error::InitialListFailed(api()),
                watcher::Error::WatchStartFailed(api()),
                watcher::Error::WatchFailed(api()),
                watcher::Error::WatchError(status(code)),
            ] {
                let said = cluster
                    .watch_ends("watch it", &error)
                    .map(|failure| failure.to_string());
                let said = said.unwrap_or_else(|| panic!("{error:?} goes on"));
                assert!(
                    said.contains("because") || said.contains("does not serve"),
                    "{error:?}: {said}"
                );
            }
        }
        for error in [
            watcher::Error::WatchError(status(410)),
            watcher::Error::InitialListFailed(kube::Error::Api(status(500))),
            watcher::Error::NoResourceVersion,
        ] {
            assert!(
                cluster.watch_ends("watch it", &error).is_none(),
                "{error:?}"
            );
        }
        assert_eq!(
            Cluster::watch_pauses(&watcher::Error::WatchError(status(410))),
            None
        );
        let busy = watcher::Error::InitialListFailed(kube::Error::Api(status(429)));
        assert_eq!(
            Cluster::watch_pauses(&busy).as_deref(),
            Some("the cluster refuses, what is shown may be old: because")
        );
        let silent = Cluster::watch_pauses(&watcher::Error::NoResourceVersion);
        assert!(silent.is_some_and(|said| said.starts_with("the cluster does not answer")));
    }
}
