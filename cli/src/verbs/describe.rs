//! `describe`: everything about one practice.

use jiff::Zoned;
use k8s_openapi::api::core::v1::Event;
use kube::{ResourceExt, api::ListParams};

use crate::{
    cluster::{Cluster, decoded},
    error::Failure,
    screen::{Screen, mention},
    sheet::sheet,
};

/// Does it.
///
/// # Errors
/// The practice is not there, or the cluster does not answer.
pub async fn run(cluster: &Cluster, name: &str, screen: &mut Screen) -> Result<(), Failure> {
    let object = cluster.practice(name).await?;
    let practice = decoded(&object)?;
    let about = format!("involvedObject.kind=ConsumerGroupPractice,involvedObject.name={name}");
    let events = cluster
        .list(
            "list events",
            &cluster.api::<Event>(),
            &ListParams::default().fields(&about),
        )
        .await;
    let mut events = events.unwrap_or_else(|failure| {
        mention(&format!("warning: events are not shown: {failure}"));
        Vec::new()
    });
    // of one that had this name before nothing is told
    events.retain(|event| {
        event.involved_object.uid.is_none() || event.involved_object.uid == object.uid()
    });
    screen.say(&sheet(&practice, &events, &Zoned::now(), screen.width()))
}
