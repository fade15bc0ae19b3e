//! The page of a lesson, `docs/practices/N.md`.

use std::fmt::Write;

use crate::lesson::{KafkaKind, Lesson, Step};

/// Markdown with the names of the sample.
pub fn page(lesson: &Lesson) -> String {
    let names = lesson.names(str::to_owned);
    let names = names.and("manifest", &format!(".local/lesson-{}.yaml", lesson.number));
    let lesson = &lesson.with_names(&names);
    let number = lesson.number;
    let mut page = format!("# Practice {number}: {}\n\n{}\n", lesson.title, lesson.goal);
    if let Some(picture) = &lesson.picture {
        page += "\n";
        page += picture;
        page += "\n";
    }
    page += "\n<!-- Generated from lessons/ by `make docs`. -->\n";
    page += &start(lesson);
    for (index, step) in lesson.steps.iter().enumerate() {
        page += &section(index + 1, step);
    }
    let background = &lesson.background;
    let practice = lesson.practice().metadata.name.unwrap_or_default();
    // a String takes every text
    let _ = write!(
        page,
        "\n## Why it happens\n\n{background}\n## Clean up\n\nCtrl-C ends local mode and deletes its data. In a cluster:\n\n\
         ```sh\nkubectl delete cgp {practice}\n```\n\nThe pods are deleted; topics and committed offsets stay.\n"
    );
    page
}

/// How to get there.
fn start(lesson: &Lesson) -> String {
    let number = lesson.number;
    let kafka = match lesson.needs.kafka {
        KafkaKind::Embedded => String::new(),
        KafkaKind::Apache => format!(
            " It starts Apache Kafka with {} brokers, for which it needs Java 17.",
            lesson.needs.brokers.max(1)
        ),
    };
    let (kind, node) = match lesson.needs.brokers {
        0 | 1 => ("make kind", "eval \"$(make -s node)\""),
        _ => (
            "make kind KAFKA_BROKERS=3",
            "eval \"$(KAFKA_BROKERS=3 make -s node)\"",
        ),
    };
    let practice = lesson.practice().metadata.name.unwrap_or_default();
    format!(
        "
## Run it

On this machine, after `make local` has built it once (`export PATH=$PWD/target/local:$PATH`):

```sh
practice-local lesson {number}
```

It starts the practice, shows one step at a time, and passes a step when Kafka and the consumers report that it has happened. Run the
commands of the steps in a second terminal, in the same directory.{kafka}

In a cluster, from `{kind}` or `{node}` as in the [README](../../README.md#on-kubernetes-with-docker), with the repository as working directory:

```sh
kubectl apply -f deploy/samples/practice-{number}.yaml
kubectl wait --for=condition=Ready cgp/{practice} --timeout=120s
kubectl port-forward svc/{practice}-producer 8081
```

The last command does not end: leave it in a terminal of its own. Or `kubectl cgp lesson {number}` ([plugin](../cli.md#lessons)) creates the practice, with names
that begin with the namespace, and checks each step. [What runs where](../kind.md#what-runs-where) has the differences.
"
    )
}

fn section(number: usize, step: &Step) -> String {
    let mut section = format!(
        "\n## {number}. {}\n\n{}\n",
        step.title,
        step.task.trim_end()
    );
    if let Some(predict) = &step.predict {
        // a String takes every text
        let _ = write!(section, "\n**Predict first:** {}\n", predict.ask.trim_end());
    }
    for (way, commands) in [
        ("On this machine", &step.commands.local),
        ("In a cluster", &step.commands.kubectl),
    ] {
        let _ = write!(section, "\n{way}:\n\n```sh\n{}\n```\n", commands.trim_end());
    }
    if let Some(predict) = &step.predict {
        let _ = write!(
            section,
            "\n<details><summary>Answer</summary>{}</details>\n",
            predict.answer
        );
    }
    let _ = write!(section, "\n{}\n", step.why.trim_end());
    section
}
