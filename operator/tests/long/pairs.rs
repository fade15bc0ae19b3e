//! The operator's memory with many pairs of a group and a partition on one Kafka, each with a commit and an owner.

use std::{thread::sleep, time::Duration};

use tokio::runtime::Runtime;

use crate::{
    common::{
        alone,
        figures::{Bound, figure, hold},
        host,
    },
    crowd::{Crowd, Shape},
};

/// What was measured of one operator.
struct Measured {
    pairs: f64,
    /// Resident, in MiB.
    peak: f64,
    /// Milliseconds.
    slowest_poll: f64,
}

#[test]
fn fifty_thousand_pairs_fit() {
    let _turn = alone();
    // as many as the operator monitors by default, and a fifth of that
    let [few, many] = [5, 25].map(|groups| measure(groups, 1000));
    let how = "VmHWM of the released operator, live view enabled, 2 practices of 1,000 partitions, a member with commits in each group; a minute at rest included";
    for measured in [&few, &many] {
        hold(
            &format!(
                "{} pairs on one Kafka: RSS of the operator, peak",
                measured.pairs
            ),
            measured.peak,
            "MiB",
            Bound::AtMost(160.0),
            1.0,
            how,
        );
        figure(
            &format!("{} pairs on one Kafka: slowest poll", measured.pairs),
            measured.slowest_poll,
            "ms",
            Bound::None,
            "all topics and groups at once, at rest",
        );
    }
    hold(
        "a pair beyond the first 10,000",
        (many.peak - few.peak) * 1024.0 * 1024.0 / (many.pairs - few.pairs),
        "bytes",
        Bound::AtMost(200.0),
        1.25, // the difference of two peaks
        "the difference of the two peaks, what is allocated for a moment included",
    );
}

/// Two practices with so many groups each, and a topic of so many partitions each.
fn measure(groups: usize, partitions: u16) -> Measured {
    let runtime = Runtime::new().expect("threads can be started");
    let shape = Shape {
        practices: 2,
        groups,
        partitions: partitions.into(),
        with_a_member: groups,
    };
    let crowd = runtime.block_on(Crowd::new(shape));
    let members = crowd.furnish(&runtime);
    crowd.rests();
    let at_rest = crowd.measure(|| sleep(Duration::from_mins(1)));
    let measured = Measured {
        pairs: f64::from(u32::try_from(2 * groups).expect("are few")) * f64::from(partitions),
        peak: host::peak_rss(crowd.operator.pid()),
        slowest_poll: at_rest.looks.into_iter().fold(0.0, f64::max),
    };
    drop(members);
    measured
}
