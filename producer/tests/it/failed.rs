//! A Kafka client with a fatal error.

use practice_producer::run;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Code};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    answers::mock,
    client::{PATIENCE, settings},
};

#[tokio::test]
async fn a_client_that_has_failed_for_good_ends_the_service_with_its_reason() {
    let mock = mock(&[("a", 1)]);
    mock.request_errors(
        RDKafkaApiKey::InitProducerId,
        &[Code::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED],
    );
    let settings = settings(&mock.bootstrap_servers(), &["a"]);
    let listener = TcpListener::bind(settings.listen)
        .await
        .expect("a free port");
    let ended = timeout(PATIENCE, run(settings, listener, CancellationToken::new())).await;
    let error = ended.expect("in time").expect_err("a failure").to_string();
    assert!(error.contains("Cluster authorization failed"), "{error}");
}
