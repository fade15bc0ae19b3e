//! What looking at many groups on one Kafka costs the operator, beside Kafka's own tool in the same run: seven practices with 32
//! groups of 50 partitions each. The released operator, with its picture, against an API server with controllers and a Kafka of
//! the test's own; there is no node and so no pod: members are clients of the test.

use std::{thread::sleep, time::Duration};

use practice_testbed::clients::send_to_each;
use tokio::runtime::Runtime;

use crate::{
    common::{
        alone,
        figures::{Bound, figure, hold, median},
    },
    crowd::{Crowd, Measured, Shape},
};

const SHAPE: Shape = Shape {
    practices: 7,
    groups: 32,
    partitions: 50,
    with_a_member: 2,
};
/// A measurement takes so long.
const WHILE: Duration = Duration::from_secs(30);

#[test]
fn looking_at_224_groups_of_50_partitions_is_quick_and_cheap() {
    let _turn = alone();
    let runtime = Runtime::new().expect("threads can be started");
    let scene = runtime.block_on(Crowd::new(SHAPE));
    let Shape {
        practices,
        groups,
        partitions,
        ..
    } = SHAPE;
    let what =
        format!("{practices} practices x {groups} groups x {partitions} partitions on one Kafka");
    let members = scene.furnish(&runtime);

    scene.rests();
    let rest = scene.measure(|| sleep(WHILE));
    tell(&what, "at rest", &rest);
    let (servers, topics) = (scene.kafka.bootstrap().to_owned(), scene.topics());
    let seconds = usize::try_from(WHILE.as_secs()).expect("few");
    let pauses = vec![Duration::from_secs(1); seconds];
    let moving = scene.measure(|| send_to_each(&servers, &topics, 0..=partitions - 1, pauses));
    tell(&what, "a message a second in each partition", &moving);

    let runs: Vec<(f64, f64)> = (0..3).map(|_| scene.tool(&runtime)).collect();
    let (took, cpu): (Vec<f64>, Vec<f64>) = runs.iter().copied().unzip();
    let how = format!(
        "ConsumerGroupCommand --all-groups --describe, start of the JVM included; median of {took:.1?}"
    );
    figure(
        &format!("{what}: Kafka's own tool"),
        median(took),
        "s",
        Bound::None,
        &how,
    );
    let how = format!("user and system time of its process; median of {cpu:.1?}");
    figure(
        &format!("{what}: Kafka's own tool, CPU"),
        median(cpu) * 1000.0,
        "ms",
        Bound::None,
        &how,
    );

    let looks = scene.looks().len();
    let (connections, requests) = runtime.block_on(
        scene
            .kafka
            .requests("kafka-practice", async || tokio::time::sleep(WHILE).await),
    );
    let looks = as_number(scene.looks().len() - looks + 1);
    let sum = as_number(requests.values().sum());
    let how = format!(
        "as the broker notes them over {looks} looks or one less, what is asked about other groups included: {requests:?}"
    );
    // the client asks for a group's coordinator each time that it asks about the group
    let most = Bound::AtMost(as_number(3 * practices * groups + 40));
    hold(
        &format!("{what}: requests"),
        (sum / looks).round(),
        "a look",
        most,
        1.0,
        &how,
    );
    let how = "in use at the same time, one for looks and one for all else";
    hold(
        &format!("{what}: connections"),
        as_number(connections),
        "",
        Bound::AtMost(2.0),
        1.0,
        how,
    );
    drop(members);
}

fn tell(what: &str, when: &str, measured: &Measured) {
    let looks = &measured.looks;
    let slowest = looks.iter().copied().fold(0.0, f64::max);
    let how = format!(
        "the slowest of {} looks, each every 2 s after the one before: {looks:?} ms",
        looks.len()
    );
    hold(
        &format!("{what}, {when}: look"),
        slowest / 1000.0,
        "s",
        Bound::AtMost(2.0),
        1.0,
        &how,
    );
    let how = "the operator's reader, all topics and groups at once";
    figure(
        &format!("{what}, {when}: look, median"),
        median(looks.clone()),
        "ms",
        Bound::None,
        how,
    );
    let how = format!(
        "user and system time of the operator, all that it does, {} reconciles in it",
        measured.reconciles
    );
    let cpu = measured.cpu * 1000.0 / as_number(looks.len());
    figure(
        &format!("{what}, {when}: CPU"),
        cpu,
        "ms a look",
        Bound::None,
        &how,
    );
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn as_number(count: usize) -> f64 {
    count as f64
}
