//! The operator's memory with 50,000 pairs of a partition and a group on one Kafka, each with a commit and an owner.

use tokio::runtime::Runtime;

use crate::{
    common::{
        alone,
        figures::{Bound, figure, hold},
        host,
    },
    crowd::{Crowd, Shape},
};

/// As many pairs as a manifest may have.
const SHAPE: Shape = Shape {
    practices: 2,
    groups: 25,
    partitions: 1000,
    with_a_member: 25,
};

#[test]
fn fifty_thousand_pairs_fit() {
    let _turn = alone();
    let runtime = Runtime::new().expect("threads can be started");
    let crowd = runtime.block_on(Crowd::new(SHAPE));
    let operator = crowd.operator.pid();
    let idle = host::rss(operator);
    let members = crowd.furnish(&runtime);
    crowd.rests();
    let at_rest = crowd.measure(|| std::thread::sleep(std::time::Duration::from_secs(70)));
    let how = "2 practices x 25 groups x 1,000 partitions, a member in each group";
    hold(
        "50,000 pairs on one Kafka: RSS of the operator, peak",
        host::peak_rss(operator),
        "MiB",
        Bound::AtMost(160.0),
        1.0,
        how,
    );
    figure(
        "50,000 pairs: RSS at rest",
        host::rss(operator),
        "MiB",
        Bound::None,
        &format!("{idle:.1} MiB before; {how}"),
    );
    figure(
        "50,000 pairs: slowest poll",
        at_rest.looks.iter().copied().fold(0.0, f64::max),
        "ms",
        Bound::None,
        how,
    );
    drop(members);
}
