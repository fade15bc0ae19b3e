use kube::Config;

use super::*;

#[tokio::test]
async fn watch_fails_on_errors_that_a_retry_cannot_repair() {
    let config = Config::new("http://127.0.0.1:1".parse().expect("it is a URL"));
    let client = Client::try_from(config).expect("nothing is sent yet");
    let cluster = Cluster {
        client,
        url: "http://here".to_owned(),
        namespace: "a".to_owned(),
    };
    let status = |code: u16| {
        kube::core::Status::failure("because", "Reason")
            .with_code(code)
            .boxed()
    };
    for code in [401, 403, 404] {
        let api = || kube::Error::Api(status(code));
        for error in [
            watcher::Error::InitialListFailed(api()),
            watcher::Error::WatchStartFailed(api()),
            watcher::Error::WatchFailed(api()),
            watcher::Error::WatchError(status(code)),
        ] {
            let failure = cluster
                .watch_failure("watch it", &error)
                .map(|failure| failure.to_string());
            let message = failure.unwrap_or_else(|| panic!("{error:?} is retried"));
            assert!(
                message.contains("because") || message.contains("does not serve"),
                "{error:?}: {message}"
            );
        }
    }
    for error in [
        watcher::Error::WatchError(status(410)),
        watcher::Error::InitialListFailed(kube::Error::Api(status(500))),
        watcher::Error::NoResourceVersion,
    ] {
        assert!(
            cluster.watch_failure("watch it", &error).is_none(),
            "{error:?}"
        );
    }
    assert_eq!(
        Cluster::watch_warning(&watcher::Error::WatchError(status(410))),
        None
    );
    let busy = watcher::Error::InitialListFailed(kube::Error::Api(status(429)));
    let refused = Cluster::watch_warning(&busy).expect("a warning");
    assert!(
        refused.starts_with("the cluster refuses ") && refused.ends_with(": because"),
        "{refused}"
    );
    let silent = Cluster::watch_warning(&watcher::Error::NoResourceVersion);
    assert!(silent.is_some_and(|warning| warning.starts_with("the cluster does not answer")));
}
