//! Which poll a caller gets: one that began after its topics and groups were registered.

use super::*;

/// A reader whose polls are made by the test.
fn blind() -> (Arc<Reader>, watch::Sender<Numbered>) {
    let (sender, polls) = watch::channel(Numbered {
        begun: 0,
        done: 0,
        poll: None,
    });
    let (kafka, shared) = (Kafka::connect("127.0.0.1:1"), Arc::default());
    (
        Arc::new(Reader {
            kafka,
            shared,
            polls,
            _ends_with_us: CancellationToken::new().drop_guard(),
        }),
        sender,
    )
}

/// A caller has requested another poll.
async fn asks_for_another(reader: &Reader) {
    let asked = tokio::time::timeout(Duration::from_secs(5), reader.shared.wanted.notified()).await;
    asked.expect("another poll should be requested");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// Publishes a poll of these as the next one.
fn publish(sender: &watch::Sender<Numbered>, topics: &[&str], groups: &[&str]) -> Arc<Snapshot> {
    let snapshot = Arc::new(Snapshot {
        topics: topics
            .iter()
            .map(|name| ((*name).to_owned(), TopicSeen::Missing))
            .collect(),
        groups: groups
            .iter()
            .map(|name| ((*name).to_owned(), Arc::default()))
            .collect(),
        other_groups: None,
    });
    sender.send_modify(|numbered| {
        numbered.begun += 1;
        (numbered.done, numbered.poll) = (numbered.begun, Some(Ok(snapshot.clone())));
    });
    snapshot
}

#[tokio::test]
async fn a_poll_without_all_interests_of_a_practice_is_not_used() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let practice = ("namespace".to_owned(), "p".to_owned());
    let interest = Interest {
        topics: names(&["t", "u"]),
        groups: names(&["g"]),
    };
    for (topics, groups) in [(&["t"][..], &["g"][..]), (&["t", "u"][..], &[][..])] {
        let (reader, sender) = blind();
        // its interest is registered, but the poll in progress began before that
        reader
            .interests()
            .insert(practice.clone(), interest.clone());
        publish(&sender, topics, groups);
        let asked = tokio::spawn({
            let (reader, practice, interest) = (reader.clone(), practice.clone(), interest.clone());
            async move { reader.poll(&practice, &interest).await }
        });
        asks_for_another(&reader).await;
        assert!(!asked.is_finished(), "{topics:?} {groups:?} is not enough");
        let whole = publish(&sender, &["t", "u", "more"], &["g", "h"]);
        let snapshot = asked.await.expect("does not panic").expect("there is one");
        assert!(Arc::ptr_eq(&snapshot, &whole));
        let again = reader
            .poll(&practice, &interest)
            .await
            .expect("there is one");
        assert!(
            Arc::ptr_eq(&again, &whole),
            "a known poll is returned at once"
        );
    }
}

#[tokio::test]
async fn a_new_interest_waits_for_a_poll_that_began_afterwards() {
    let (reader, sender) = blind();
    let practice = ("namespace".to_owned(), "p".to_owned());
    let interest = Interest {
        topics: ["t".to_owned()].into(),
        groups: BTreeSet::new(),
    };
    publish(&sender, &["t"], &[]); // for another practice, before this one was made
    sender.send_modify(|numbered| numbered.begun += 1);
    let asked = tokio::spawn({
        let (reader, practice, interest) = (reader.clone(), practice.clone(), interest.clone());
        async move { reader.poll(&practice, &interest).await }
    });
    asks_for_another(&reader).await;
    sender.send_modify(|numbered| numbered.done = numbered.begun);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!asked.is_finished(), "that poll had begun before");
    let next = publish(&sender, &["t"], &[]);
    let snapshot = asked.await.expect("does not panic").expect("there is one");
    assert!(Arc::ptr_eq(&snapshot, &next));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_poll_begins_before_it_reads_the_interests() {
    let (sender, polls) = watch::channel(Numbered {
        begun: 0,
        done: 0,
        poll: None,
    });
    let shared = Arc::new(Shared::default());
    let history = Arc::new(History::new());
    let (request_reconcile, _request_reconciled) = mpsc::unbounded_channel();
    let begun = {
        let _no_interest_registered = lock(&shared.interests);
        let run = run(
            Kafka::connect("127.0.0.1:1"),
            shared.clone(),
            history,
            sender,
            request_reconcile,
        );
        tokio::spawn(run);
        let since = Instant::now();
        while polls.borrow().begun == 0 && since.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(1));
        }
        polls.borrow().begun
    };
    assert_eq!(
        begun, 1,
        "an interest registered in between would wait for a poll that does not contain it"
    );
}
