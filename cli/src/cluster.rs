//! Requests to the API server. In: kubeconfig, context and namespace. Out: practices and pods, or a failure with its cause.
//! Every request has a deadline. The only writes are the access reviews of `check`, which Kubernetes does not store.

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

use crate::{args::Common, error::Failure, kubeconfig::load_config};

/// Deadline of one request.
const DEADLINE: Duration = Duration::from_secs(10);
/// Deadline for connecting.
const CONNECT: Duration = Duration::from_secs(5);
/// Objects per page of a list request.
const PAGE: u32 = 500;

/// A cluster, and the namespace that the command addresses.
#[derive(Clone)]
pub struct Cluster {
    /// Client of the API server.
    pub client: Client,
    /// URL of the API server, for messages.
    pub url: String,
    /// Namespace of `-n`, else of the context.
    pub namespace: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cluster({}, {})", self.url, self.namespace)
    }
}

impl Cluster {
    /// Builds the client from the global flags. Sends nothing.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the kubeconfig names no usable cluster.
    pub async fn from_flags(common: &Common) -> Result<Self, Failure> {
        let mut config = load_config(common).await?;
        // a person waits: report an unreachable cluster at once instead of retrying for minutes
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT);
        let url = config.cluster_url.to_string();
        let namespace = common
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| {
            Failure::Usage(format!(
                "kubeconfig cannot be used for {url}: {}",
                causes(&error)
            ))
        })?;
        Ok(Self {
            client,
            url,
            namespace,
        })
    }

    /// Sends a request and maps its error; `what` names the request in messages.
    ///
    /// # Errors
    /// As [`failure`](Self::failure), or [`Failure::Unreachable`] after the deadline.
    pub async fn request<T>(
        &self,
        what: &str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Failure> {
        match self.with_deadline(request).await {
            Ok(answer) => answer.map_err(|error| self.failure(what, &error)),
            Err(failure) => Err(failure),
        }
    }

    /// Sends a request; an error status is part of the result.
    ///
    /// # Errors
    /// [`Failure::Unreachable`].
    pub async fn with_deadline<T>(
        &self,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<Result<T, kube::Error>, Failure> {
        let late = |_| {
            let seconds = DEADLINE.as_secs();
            Failure::Unreachable(format!("{} did not answer within {seconds} s", self.url))
        };
        tokio::time::timeout(DEADLINE, request).await.map_err(late)
    }

    /// Maps an error to an exit code and a message with a fix.
    pub fn failure(&self, what: &str, error: &kube::Error) -> Failure {
        match error {
            kube::Error::Api(status) => match status.code {
                401 => Failure::Refused(format!(
                    "authentication to {} failed ({}): log in again, or choose another --context",
                    self.url, status.message
                )),
                403 => Failure::Refused(format!(
                    "cannot {what}: permission denied: {}",
                    status.message
                )),
                404 if is_not_served(status) => Failure::NotFound(format!(
                    "{} does not serve ConsumerGroupPractice: install the chart first, or choose another --context. \
                     `kubectl cgp check` lists what is missing",
                    self.url
                )),
                404 => Failure::NotFound(format!("cannot {what}: {}", status.message)),
                _ => Failure::Refused(format!("cannot {what}: {}", status.message)),
            },
            kube::Error::Service(_) | kube::Error::HyperError(_) => Failure::Unreachable(format!(
                "{} does not answer: {}\ncheck that the cluster is up and that this is the right context: kubectl config current-context",
                self.url,
                causes(error)
            )),
            kube::Error::Auth(error) => Failure::Refused(format!(
                "no credentials for {}: {}",
                self.url,
                causes(error)
            )),
            error => Failure::Refused(format!("cannot {what}: {}", causes(error))),
        }
    }

    /// Failure that ends a watch; `None` means that the watch is retried.
    pub fn watch_failure(&self, what: &str, error: &watcher::Error) -> Option<Failure> {
        let status = refusal(error)?;
        matches!(status.code, 401 | 403 | 404)
            .then(|| self.failure(what, &kube::Error::Api(Box::new(status.clone()))))
    }

    /// Warning while a watch is retried; `None` when its resourceVersion expired (410), which a new list repairs.
    pub fn watch_warning(error: &watcher::Error) -> Option<String> {
        match refusal(error) {
            Some(status) if status.code == 410 => None,
            Some(status) => Some(format!(
                "the cluster refuses the watch, the output may be out of date: {}",
                status.message
            )),
            None => Some(format!(
                "the cluster does not answer, the output may be out of date: {}",
                causes(error)
            )),
        }
    }

    /// API of a kind in this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// API of practices as untyped objects, which keep fields that this plugin does not know; `all`: of all namespaces.
    pub fn practices(&self, all: bool) -> Api<DynamicObject> {
        let kind = ApiResource::erase::<ConsumerGroupPractice>(&());
        if all {
            Api::all_with(self.client.clone(), &kind)
        } else {
            Api::namespaced_with(self.client.clone(), &self.namespace, &kind)
        }
    }

    /// Reads one practice.
    ///
    /// # Errors
    /// [`Failure::NotFound`] lists the existing practices, and the namespaces that have one with this name.
    pub async fn practice(&self, name: &str) -> Result<DynamicObject, Failure> {
        match self.practice_if_any(name).await? {
            Some(practice) => Ok(practice),
            None => Err(self.not_found(name).await),
        }
    }

    /// Reads one practice; `None` when it does not exist.
    ///
    /// # Errors
    /// The request failed.
    pub async fn practice_if_any(&self, name: &str) -> Result<Option<DynamicObject>, Failure> {
        let what = format!("read practice {name} in namespace {}", self.namespace);
        match self.with_deadline(self.practices(false).get(name)).await? {
            Ok(practice) => Ok(Some(practice)),
            Err(kube::Error::Api(status)) if status.code == 404 && !is_not_served(&status) => {
                Ok(None)
            }
            Err(error) => Err(self.failure(&what, &error)),
        }
    }

    /// Lists the practices of this namespace, or of all.
    ///
    /// # Errors
    /// The request failed.
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

    /// Lists all objects, page by page.
    ///
    /// # Errors
    /// The request failed.
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
            let page: ObjectList<K> = self.request(what, api.list(&params)).await?;
            items.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(items),
            }
        }
    }

    /// Failure that lists the existing practices, and the namespaces that have one with this name.
    async fn not_found(&self, name: &str) -> Failure {
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
            [] => "it has no practices".to_owned(),
            [one] => format!("it has {one}"),
            some => format!("it has {}", some.join(", ")),
        };
        let mut message = format!(
            "no practice `{name}` in namespace `{}`: {there}",
            self.namespace
        );
        let params = ListParams::default().fields(&format!("metadata.name={name}"));
        // a user who may not list all namespaces gets no hint about them
        if let Ok(elsewhere) = self
            .list(
                "list practices in all namespaces",
                &self.practices(true),
                &params,
            )
            .await
        {
            let places: Vec<String> = elsewhere
                .iter()
                .filter_map(ResourceExt::namespace)
                .collect();
            if let Some(first) = places.first() {
                message = format!(
                    "{message}\n`{name}` is in namespace {}: add -n {first}",
                    places.join(", ")
                );
            } else if here.is_empty()
                && let Ok(all) = self
                    .list(
                        "list practices in all namespaces",
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
                message = format!("{message}\nother namespaces have: {}", all.join(", "));
            }
        }
        Failure::NotFound(message)
    }

    /// Lists the pods of one component of a practice.
    ///
    /// # Errors
    /// The request failed.
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

/// Decodes a practice.
///
/// # Errors
/// The object has another schema, as from another version of the operator.
pub fn decoded(practice: &DynamicObject) -> Result<ConsumerGroupPractice, Failure> {
    let name = practice.name_any();
    let value = serde_json::to_value(practice)
        .map_err(|error| Failure::Refused(format!("{name}: {error}")))?;
    serde_json::from_value(value).map_err(|error| {
        Failure::Refused(format!(
            "practice {name} cannot be decoded ({error}): -o yaml prints the object; \
             install the plugin of the operator's version (kubectl cgp version)"
        ))
    })
}

/// Decodes practices and sorts them by namespace and name; adds a warning for each that cannot be decoded.
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

/// Status that the API server answered to a watch; `None` when it did not answer.
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

/// HTTP status code of an error that the API server answered.
pub fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// Whether a 404 is about the kind instead of one object.
fn is_not_served(status: &kube::core::Status) -> bool {
    status
        .details
        .as_ref()
        .is_none_or(|details| details.name.is_empty())
}

/// An error and its sources in one line, without repetitions.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        next = error.source();
    }
    message
}

#[cfg(test)]
mod tests;
