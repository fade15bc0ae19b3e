//! `where`: which consumer of each group has handled a message, when and how often. Consumers that run now are asked; of one that is gone it is
//! unknown, with the time of its end.

use std::time::Duration;

use practice_groups::handled::SentMessages;

use crate::{
    args::Where,
    cluster::{Cluster, decoded},
    error::Failure,
    follow::{Following, look_up},
    handled::check_place,
    screen::{Screen, print_note},
    verbs::consumers::Consumers,
};

/// Runs the verb.
///
/// # Errors
/// There is no such practice, topic or partition, the cluster does not answer, a right is missing, or [`Failure::Checked`].
pub async fn run(cluster: &Cluster, asked: &Where, screen: &mut Screen) -> Result<(), Failure> {
    let practice = decoded(&cluster.practice(&asked.name).await?)?;
    if let Some(note) = check_place(&practice, &asked.place)? {
        print_note(&note);
    }
    let mut consumers = Consumers::of(cluster, &asked.name, &asked.place.topic);
    if let Some(note) = consumers.note_journal().await? {
        print_note(&note);
    }
    let following = Following {
        practice: &asked.name,
        timeout: Duration::ZERO,
        pause: Duration::ZERO,
        output: asked.output,
    };
    let ask = async |sent: &SentMessages| consumers.ask(sent).await;
    look_up(&following, &asked.place, ask, screen).await
}
