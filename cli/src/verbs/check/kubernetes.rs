//! `check`, section Kubernetes: the API server and the `CustomResourceDefinition`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Resource};
use practice_api::{API_GROUP, ConsumerGroupPractice};

use super::INSTALL;
use crate::{cluster::Cluster, error::Failure, report::Report};

/// Checks that the API server answers; all other checks need it.
pub(super) async fn check_api_server(
    cluster: &Cluster,
    report: &mut Report,
) -> Result<(), Failure> {
    match cluster
        .request(
            "read the version of the API server",
            cluster.client.apiserver_version(),
        )
        .await
    {
        Ok(version) => {
            let supported = version
                .minor
                .trim_end_matches('+')
                .parse::<u32>()
                .is_ok_and(|minor| minor >= 30);
            let text = format!(
                "API server {} answers on {}",
                version.git_version, cluster.url
            );
            if supported {
                report.good(text);
            } else {
                report.warning(text, "the chart needs Kubernetes 1.30 or later");
            }
            Ok(())
        }
        Err(failure) => {
            report.failed(
                format!("API server {} does not answer", cluster.url),
                "see the error below",
            );
            Err(failure)
        }
    }
}

pub(super) async fn check_crd(
    cluster: &Cluster,
    report: &mut Report,
) -> Option<CustomResourceDefinition> {
    let name = format!("{}.{API_GROUP}", ConsumerGroupPractice::plural(&()));
    let version = ConsumerGroupPractice::version(&());
    let crds: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    match cluster.with_deadline(crds.get(&name)).await {
        Ok(Ok(crd)) => {
            let served: Vec<&str> = crd
                .spec
                .versions
                .iter()
                .filter(|version| version.served)
                .map(|version| version.name.as_str())
                .collect();
            if served.contains(&&*version) {
                report.good(format!("ConsumerGroupPractice {version} is served"));
            } else {
                let text = format!(
                    "ConsumerGroupPractice is served as {}, this plugin reads {version}",
                    served.join(", ")
                );
                report.failed(
                    text,
                    "install the plugin of the operator's version: kubectl cgp version",
                );
            }
            Some(crd)
        }
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => {
            report.failed(
                "ConsumerGroupPractice is not served: its CustomResourceDefinition is missing",
                &format!("the chart installs it unless crds.install=false:\n{INSTALL}"),
            );
            None
        }
        // a user who may not read CustomResourceDefinitions can still list the kind
        Ok(Err(_)) => {
            match cluster.all_practices(false).await {
                Err(failure @ Failure::NotFound(_)) => report.failed(failure.to_string(), INSTALL),
                Err(failure @ Failure::Unreachable(_)) => {
                    report.failed("ConsumerGroupPractice", &failure.to_string());
                }
                Err(failure) => {
                    report.skipped(format!(
                        "cannot check whether ConsumerGroupPractice is served: {failure}"
                    ));
                }
                Ok(_) => report.good(format!("ConsumerGroupPractice {version} is served")),
            }
            None
        }
        Err(failure) => {
            report.failed("ConsumerGroupPractice", &failure.to_string());
            None
        }
    }
}
