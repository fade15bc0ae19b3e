//! The live view in a cluster. In: results of a reconcile. Out: facts for the view's hub. URLs of consumers are included only while
//! a page watches the practice.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use kube::runtime::reflector::ObjectRef;
use practice_api::{ConsumerGroupPractice, PracticeStatus};
use practice_contract::{PRODUCER_PORT, Protocol};
use practice_groups::Snapshot;
use practice_plan::{outcome::Observed, plan::Plan};
use practice_view::{Consumer, ConsumerState, Facts, GroupFacts, Hub, KafkaFacts, KafkaKind};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;

use crate::{Context, context::key, live::Live, reader::Key};

/// Pause after a poll request: in a rebalance each member sends one, and this limits them to ten polls a second.
const SETTLE: Duration = Duration::from_millis(100);

/// Kafka's default of `group.consumer.session.timeout.ms`: for KIP-848 groups the broker decides, and the operator does not read
/// its configuration.
const CONSUMER_SESSION_TIMEOUT: Duration = Duration::from_secs(45);

/// Settings of the live view.
#[derive(Debug)]
pub struct Picture {
    /// Its listener.
    pub listener: TcpListener,
    /// The command that enables actions; `None`: they are enabled.
    pub how: Option<String>,
}

/// Publishes the current facts about a practice to the live view.
pub(crate) fn show(
    context: &Context,
    practice: &ConsumerGroupPractice,
    plan: Option<&Plan>,
    mut consumers: Vec<Consumer>,
    seen: Option<&Observed>,
    status: &PracticeStatus,
) {
    let Some(hub) = &context.hub else { return };
    let key = key(practice);
    if hub.is_watched(&key) {
        let memories = context.memories.all();
        for consumer in &mut consumers {
            consumer.url = memories
                .get(&key)
                .and_then(|memory| memory.urls.get(&consumer.name))
                .cloned();
        }
    }
    let producer = plan
        .and_then(|plan| plan.producer.as_ref())
        .map(|producer| producer.name.as_str());
    let (namespace, port) = (&key.0, PRODUCER_PORT);
    hub.publish(Facts {
        now: context.now().as_millisecond(),
        status: status.clone(),
        snapshot: plan
            .zip(seen)
            .and_then(|(plan, seen)| Some(part(plan, seen.poll.as_ref().ok()?))),
        journal: context.memories.journal(&key),
        kafka: KafkaFacts {
            kind: KafkaKind::Cluster,
            note: None,
            brokers: Vec::new(),
        },
        groups: plan.map(groups).unwrap_or_default(),
        consumers,
        load: plan
            .and_then(|plan| plan.producer.as_ref())
            .and_then(|producer| producer.settings.load),
        producer: producer.map(|producer| format!("http://{producer}.{namespace}.svc:{port}")),
        send_url: producer.map(|_| format!("http://localhost:{port}/send-message")),
        send_how: producer
            .map(|producer| format!("kubectl -n {namespace} port-forward svc/{producer} {port}")),
        key,
    });
}

/// The part of a snapshot that belongs to a plan: a snapshot contains topics and groups of many practices.
fn part(plan: &Plan, snapshot: &Snapshot) -> Arc<Snapshot> {
    let topics: Vec<String> = plan.topics.iter().map(|topic| topic.name.clone()).collect();
    let groups: Vec<String> = plan.groups.iter().map(|group| group.id.clone()).collect();
    Arc::new(snapshot.only(&topics, &groups))
}

/// Facts of each group of a plan.
pub fn groups(plan: &Plan) -> Vec<GroupFacts> {
    plan.groups
        .iter()
        .map(|group| GroupFacts {
            name: group.id.clone(),
            topics: group.topics.clone(),
            stopped: group.stopped,
            scalable: group
                .rows
                .iter()
                .any(|row| row.variant.is_empty() && row.replicas.is_some()),
            assignor: group.assignor.to_string(),
            reset: group.offset_reset,
            session_timeout: match group.protocol {
                Protocol::Classic => group.rows.first().map(|row| row.settings.session_timeout),
                Protocol::Consumer => Some(CONSUMER_SESSION_TIMEOUT),
            },
        })
        .collect()
}

/// Consumers whose pods exist and may join their group. `started` is unknown: pods are listed without their status.
pub(crate) fn consumers(plan: &Plan, live: &Live) -> Vec<Consumer> {
    let consumer = |pod: &crate::live::LivePod| {
        let group = plan
            .groups
            .iter()
            .find(|group| pod.group.as_ref() == Some(&group.id))?;
        let row = group.rows.iter().find(|row| row.variant == pod.variant)?;
        Some(Consumer {
            name: pod.name.clone(),
            group: group.id.clone(),
            pod: Some(pod.name.clone()),
            variant: Some(pod.variant.clone()).filter(|variant| !variant.is_empty()),
            delay: row.settings.delay,
            state: ConsumerState::Running,
            started: None,
            since: None,
            url: None,
        })
    };
    let joins = |pod: &&crate::live::LivePod| !pod.held;
    live.pods
        .iter()
        .filter(joins)
        .filter_map(consumer)
        .collect()
}

/// Serves the live view, and polls practices on request, until `shutdown`.
pub(crate) async fn serve(
    listener: TcpListener,
    hub: Hub,
    context: Arc<Context>,
    mut poll_requests: mpsc::UnboundedReceiver<Key>,
    request_reconcile: mpsc::UnboundedSender<Key>,
    shutdown: CancellationToken,
) {
    let polling = async {
        while let Some(first) = poll_requests.recv().await {
            let mut practices = BTreeSet::from([first]);
            practices.extend(std::iter::from_fn(|| poll_requests.try_recv().ok()));
            for practice in practices {
                context.memories.readers.request_poll(&practice);
                let _ = request_reconcile.send(practice); // the receiver is closed: the operator is shutting down
            }
            tokio::time::sleep(SETTLE).await;
        }
    };
    tokio::select! {
        () = polling => {}
        () = forgetting(&hub, &context) => {}
        () = practice_view::serve(listener, hub.clone(), shutdown) => {}
    }
}

/// Removes deleted practices from the live view: deleting a practice without objects triggers no reconcile.
async fn forgetting(hub: &Hub, context: &Context) {
    let mut times = tokio::time::interval(Duration::from_secs(2));
    loop {
        times.tick().await;
        for practice in hub.keys() {
            let object = ObjectRef::new(&practice.1).within(&practice.0);
            if context.practices.get(&object).is_none() {
                context.forget(&practice);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::live::LivePod;
    use practice_plan::testing::plan_of;

    #[test]
    fn groups_and_consumers_are_the_plans() {
        let plan = plan_of(json!({"topics": [{"name": "t"}, {"name": "u"}], "groups": [
            {"name": "g", "replicas": 1, "variants": [{"name": "slow", "replicas": 2, "processingDelay": "5s"}]},
            {"name": "free", "topics": ["u"], "autoOffsetReset": "latest"},
            {"name": "off", "replicas": 3, "state": "Stopped"}]}));
        let short: Vec<_> = groups(&plan)
            .iter()
            .map(|g| {
                (
                    g.name.clone(),
                    g.topics.len(),
                    g.scalable,
                    g.stopped,
                    g.reset == practice_contract::OffsetReset::Latest,
                )
            })
            .collect();
        let named = |name: &str, topics, scalable, stopped, latest| {
            (name.to_owned(), topics, scalable, stopped, latest)
        };
        assert_eq!(
            short,
            [
                named("g", 2, true, false, false),
                named("free", 1, false, false, true),
                named("off", 2, true, true, false)
            ]
        );

        let pod = |name: &str, group: &str, variant: &str| LivePod {
            name: name.into(),
            group: Some(group.into()),
            variant: variant.into(),
            ..LivePod::default()
        };
        let producer = LivePod {
            name: "producer".into(),
            ..LivePod::default()
        };
        let pods = vec![
            pod("a", "g", ""),
            pod("b", "g", "slow"),
            pod("c", "g", "gone"),
            pod("d", "gone", ""),
            producer,
        ];
        let live = Live {
            pods,
            ..Live::default()
        };
        let short: Vec<_> = consumers(&plan, &live)
            .into_iter()
            .map(|c| (c.name, c.variant, c.delay.as_secs()))
            .collect();
        assert_eq!(
            short,
            [
                ("a".to_owned(), None, 0),
                ("b".to_owned(), Some("slow".to_owned()), 5)
            ]
        );
    }
}
