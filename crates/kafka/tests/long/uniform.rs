//! The uniform assignor: the assignment of a new group, and its moves afterwards.

use std::sync::PoisonError;

use krafka::admin::{CreateTopicsOptions, DeleteTopicsOptions, NewTopic};
use practice_contract::Assignor;
use practice_groups::{
    TopicSeen,
    assign::{Topics, order_of_members, order_of_topics, uniform},
};

use crate::{
    Desk, MEMBERS, Step, change,
    crew::{Crew, Kind, Seen},
    even, exactly, ids, lives, moved_as_predicted,
    random::Random,
};

/// A group whose topics are created after all its members joined: the first assignment has no former one.
fn from_nothing(
    desk: &Desk<'_>,
    number: u64,
    random: &mut Random,
) -> (Vec<Seen>, Vec<Seen>, Step, Topics, Vec<String>) {
    let count = |random: &mut Random| i32::try_from(random.between(1, 8)).expect("small");
    let topics: Topics = (0..random.between(1, 3))
        .map(|place| (format!("of-{number}-{place}"), count(random)))
        .collect();
    let names: Vec<String> = topics.keys().cloned().collect();
    let group = format!("uniform-{number}");
    let mut crew = Crew::new(
        Kind::Uniform,
        group,
        names.clone(),
        desk.bootstrap,
        &desk.admin,
        desk.runtime,
    );
    for _ in 0..random.between(2, MEMBERS - 1) {
        crew.join(random);
    }
    crew.settled(&Topics::new());
    desk.runtime.block_on(async {
        let new = topics
            .iter()
            .map(|(name, count)| NewTopic::new(name, *count, 1).expect("a legal topic"));
        let made = desk
            .admin
            .create_topics(new, CreateTopicsOptions::default())
            .await
            .expect("Kafka answers");
        made.into_values()
            .collect::<Result<Vec<()>, _>>()
            .expect("they may be made");
    });
    let first = crew.settled(&topics);
    let step = change(&mut crew, random);
    let second = crew.settled(&topics);
    let ids = desk.runtime.block_on(async {
        let snapshot = desk
            .kafka
            .observe(&names, &[])
            .await
            .expect("Kafka answers");
        let id = |name: &String| match &snapshot.topics[name] {
            TopicSeen::Present(facts) => facts.id.clone(),
            other => panic!("{name} was made: {other:?}"),
        };
        let ids = names.iter().map(id).collect();
        desk.admin
            .delete_topics(&names, DeleteTopicsOptions::default())
            .await
            .expect("Kafka answers");
        ids
    });
    (first, second, step, topics, ids)
}

#[test]
fn uniform_from_nothing_and_its_moves() {
    lives(
        "uniform, from nothing; then balance and moves",
        |desk, number, random, tally| {
            let (first, second, step, topics, topic_ids) = from_nothing(desk, number, random);
            let topic_ids: Vec<&str> = topic_ids.iter().map(String::as_str).collect();
            let Some(order) = order_of_topics(&topic_ids) else {
                return;
            }; // the order of two topics in one bucket is unknown
            let listed: Vec<(&str, i32)> = topics
                .iter()
                .map(|(name, count)| (name.as_str(), *count))
                .collect();
            let listed: Vec<(&str, i32)> = order.into_iter().map(|place| listed[place]).collect();
            let made = uniform(&order_of_members(&ids(&first)), &listed);
            let result = exactly(&made, &first)
                .and_then(|()| even(&second))
                .and_then(|()| {
                    moved_as_predicted(
                        Assignor::Uniform,
                        &topics,
                        (first.as_slice(), &step),
                        &second,
                    )
                });
            tally
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .note(result);
        },
    );
}
