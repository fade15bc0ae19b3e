//! What is settled costs the API server no write, also when the operator starts again.

use std::{thread::sleep, time::Duration};

use crate::common::{
    RELEASE, alone,
    command::{done, kubectl},
    figures::{Bound, figure},
    operator::Audit,
    sample::Sample,
    scene::Scene,
    until,
};

#[test]
fn steady_state_and_an_operator_restart_write_nothing() {
    let _turn = alone();
    let scene = Scene::new("quiet");
    let practice = Sample::load("practice-3").renamed(&scene.prefix);
    let idle = Sample::load("practice-2").renamed(&format!("{}-2", scene.prefix));
    scene.apply(&practice);
    scene.apply(&idle);
    scene.wait_ready(practice.practice());
    scene.wait_ready(idle.practice());
    scene.practice_when(
        idle.practice(),
        "one is idle",
        Duration::from_mins(1),
        |practice| {
            let idle = &practice["status"]["summary"]["idle"];
            if idle == 1 {
                Ok(())
            } else {
                Err(format!("idle: {idle}"))
            }
        },
    );
    let mut audit = Audit::from_here();
    // an Event that follows within a minute of another one of its reason is written a minute after that
    until(
        "what follows from the start is written",
        Duration::from_mins(4),
        || {
            sleep(Duration::from_secs(65));
            let writes = audit.writes(&scene.namespace);
            if writes.is_empty() {
                Ok(())
            } else {
                Err(writes.join("\n"))
            }
        },
    );

    sleep(Duration::from_mins(1));
    let steady = audit.writes(&scene.namespace);
    note(
        "writes in a steady minute",
        steady.len(),
        "mutating requests of the operator's ServiceAccount in the audit log, two practices",
    );
    assert_eq!(steady, Vec::<String>::new());

    let (namespace, operator) = RELEASE;
    done(&mut kubectl(&[
        "-n",
        namespace,
        "delete",
        "pod",
        "-l",
        "app.kubernetes.io/component=operator",
    ]));
    done(&mut kubectl(&[
        "-n",
        namespace,
        "rollout",
        "status",
        &format!("deployment/{operator}"),
        "--timeout=120s",
    ]));
    sleep(Duration::from_secs(20)); // several looks at Kafka and at every object
    let restarted = audit.writes(&scene.namespace);
    note(
        "writes after an operator restart",
        restarted.len(),
        "the same, from the deletion of its pod until 20 s after it is ready again",
    );
    assert_eq!(restarted, Vec::<String>::new());
}

fn note(what: &str, writes: usize, how: &str) {
    let writes = u32::try_from(writes).expect("a small number");
    figure(what, f64::from(writes), "", Bound::AtMost(0.0), how);
}
