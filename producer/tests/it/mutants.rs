//! Shows that the judge of answers finds faults: producers with a fault on purpose, each of which it has to name. In the same run the
//! producer as it is has none. On librdkafka's in-memory broker, which refuses some of the messages.

use std::path::Path;

use futures::{StreamExt, stream};
use practice_testbed::{
    judge::{Answer, AnswerFault, Stored, judge_answers},
    mutants::{Edit, Mutants},
};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Code};
use serde_json::json;

use crate::{
    answers::mock,
    client::settings,
    program::{PROGRAM, Program},
    topic,
};

/// A fault of the producer.
struct Mutant {
    /// What is broken.
    fault: &'static str,
    edits: &'static [Edit],
    /// Whether it is of the kind that the judge has to find, and no other.
    is_found: fn(&AnswerFault) -> bool,
}

const fn in_send(from: &'static str, to: &'static str) -> Edit {
    let file = "send.rs";
    Edit { file, from, to }
}

const MUTANTS: [Mutant; 5] = [
    Mutant {
        fault: "answers before the delivery",
        edits: &[in_send(
            "        report.await.unwrap_or(Err(Failure {",
            "        drop(report);
        let sent = Delivery { partition: 0, offset: None, timestamp: 1 };
        Ok::<_, Failure>(sent).or(Err(Failure {",
        )],
        is_found: is_lost,
    },
    Mutant {
        fault: "answers 200 after a delivery error",
        edits: &[in_send(
            "            Err((error, message)) => Err(Failure {",
            "            Err((_, message)) if message.partition() == 0 => {
                Ok(Delivery { partition: 0, offset: None, timestamp: 1 })
            }
            Err((error, message)) => Err(Failure {",
        )],
        is_found: is_lost,
    },
    Mutant {
        fault: "does not wait for the broker (acks=0)",
        edits: &[
            in_send(
                "(\"enable.idempotence\", \"true\")",
                "(\"enable.idempotence\", \"false\")",
            ),
            in_send("(\"acks\", \"all\")", "(\"acks\", \"0\")"),
        ],
        is_found: is_lost,
    },
    Mutant {
        fault: "drops one message of ten and answers it",
        edits: &[in_send(
            "        let (sender, report) = oneshot::channel();\n",
            "        if message.value.ends_with('7') {
            return Ok(Delivery { partition: 0, offset: None, timestamp: 1 });
        }
        let (sender, report) = oneshot::channel();\n",
        )],
        is_found: is_lost,
    },
    Mutant {
        fault: "sends each message twice",
        edits: &[in_send(
            "        let (sender, report) = oneshot::channel();\n",
            "        let again = Waiting::Request(oneshot::channel().0);
        let _ = self.enqueue(&message.topic, None, None, &message.value, again);
        let (sender, report) = oneshot::channel();\n",
        )],
        is_found: is_twice,
    },
];

fn is_lost(fault: &AnswerFault) -> bool {
    matches!(fault, AnswerFault::Lost(_))
}

fn is_twice(fault: &AnswerFault) -> bool {
    matches!(fault, AnswerFault::StoredTwice(_))
}

/// What the judge finds after 60 messages, some of which Kafka has refused, and how many were refused.
async fn faults(program: &Path) -> (Vec<AnswerFault>, usize) {
    let mock = mock(&[("a", 1)]);
    let servers = mock.bootstrap_servers();
    let program = Program::ready_as(program, &settings(&servers, &["a"])).await;
    let mut answers = Vec::new();
    for round in 0..3 {
        mock.request_errors(
            RDKafkaApiKey::Produce,
            &[Code::RD_KAFKA_RESP_ERR_INVALID_RECORD],
        );
        let sent = (0..20).map(async |number| {
            let value = format!("{round}-{number}");
            let message = json!({"topic": "a", "value": value});
            let answer = program.client.message(&message).await.expect("an answer");
            (value, answer)
        });
        answers.extend(
            stream::iter(sent)
                .buffer_unordered(8)
                .collect::<Vec<_>>()
                .await,
        );
    }
    let all = answers.len();
    let acknowledged = answers.iter().filter(|(_, answer)| answer.status == 200);
    let acknowledged: Vec<Answer> = acknowledged
        .map(|(value, answer)| Answer {
            value: value.clone(),
            partition: 0,
            offset: answer.json()["offset"].as_i64(),
        })
        .collect();
    program.terminate().await;
    assert_eq!(program.ended().await.code(), Some(0));
    let stored = topic::read(&servers, "a").await.into_iter();
    let stored: Vec<Stored> = stored
        .map(|record| Stored {
            value: record.value,
            partition: record.partition,
            offset: record.offset,
        })
        .collect();
    assert!(acknowledged.len() > 20, "{} of {all}", acknowledged.len());
    (
        judge_answers(&acknowledged, &stored),
        all - acknowledged.len(),
    )
}

#[tokio::test]
async fn each_mutant_is_caught_by_the_judge() {
    let mutants = Mutants::of(
        "practice-producer",
        env!("CARGO_MANIFEST_DIR"),
        env!("CARGO_TARGET_TMPDIR"),
    );
    let built = MUTANTS.map(|mutant| (mutants.build(mutant.fault, mutant.edits), mutant));
    let runs = built.map(async |(program, mutant)| {
        let (found, _) = faults(&program).await;
        assert!(
            !found.is_empty() && found.iter().all(mutant.is_found),
            "a producer that {}: {found:#?}",
            mutant.fault
        );
    });
    futures::future::join_all(runs).await;
}

#[tokio::test]
async fn the_same_run_of_the_producer_has_no_fault() {
    let (found, refused) = faults(Path::new(PROGRAM)).await;
    assert_eq!(found, []);
    assert!(
        refused >= 3,
        "Kafka refuses messages in each round: {refused}"
    );
}
