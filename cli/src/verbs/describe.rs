//! `describe`: details of one practice.

use jiff::Zoned;
use k8s_openapi::api::core::v1::Event;
use kube::{ResourceExt, api::ListParams};

use crate::{
    cluster::{Cluster, decoded},
    error::Failure,
    screen::{Screen, print_note},
    sheet::sheet,
};

/// Runs the verb.
///
/// # Errors
/// The practice does not exist, or the cluster does not answer.
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
        print_note(&format!("warning: Events are not shown: {failure}"));
        Vec::new()
    });
    // leave out Events of a deleted practice with the same name
    events.retain(|event| {
        event.involved_object.uid.is_none() || event.involved_object.uid == object.uid()
    });
    screen.print(&sheet(&practice, &events, &Zoned::now(), screen.width()))
}
