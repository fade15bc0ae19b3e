//! Creates and deletes topics by id (KIP-516). In: names or ids. Out: ids, or Kafka's answer. The client
//! library has these requests and does not offer them: its admin client drops the id that Kafka returns for a new topic, and deletes
//! by name only. So this file uses the library's `internal` feature, as `pin` does, and no other.

use std::time::Duration;

use krafka::{
    __private::{
        kafka_metadata,
        network::BrokerConnection,
        protocol::{
            ApiKey, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
            CreateTopicsResponse, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
            VersionedDecode, VersionedEncode,
        },
    },
    error::{ErrorCode, KrafkaError},
};

/// Versions of `CreateTopics`; from 7 on the answer has the id.
const CREATE: (i16, i16) = (5, 7);
/// Version of `DeleteTopics` that takes ids; brokers have it since Kafka 2.8.
const DELETE: (i16, i16) = (6, 6);
/// How often a request is sent again because the controller has moved.
const MOVES: usize = 3;

/// A topic to create.
pub(crate) struct NewTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: i32,
    pub(crate) replication_factor: i16,
    pub(crate) config: Vec<(&'a str, &'a str)>,
}

/// Creates a topic and returns its id; zero: this Kafka has no topic ids.
pub(crate) async fn create(
    kafka: &krafka::Kafka,
    topic: &NewTopic<'_>,
    timeout: Duration,
) -> Result<[u8; 16], KrafkaError> {
    let setting = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: (*name).to_owned(),
        value: Some((*value).to_owned()),
    };
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: topic.name.to_owned(),
            num_partitions: topic.partitions,
            replication_factor: topic.replication_factor,
            assignments: vec![],
            configs: topic.config.iter().map(setting).collect(),
        }],
        timeout_ms: millis(timeout),
        validate_only: false,
    };
    let created = at_controller(
        kafka,
        ApiKey::CreateTopics,
        CREATE,
        &request,
        timeout,
        |answer: CreateTopicsResponse| {
            let topic = answer.topics.into_iter().next().ok_or_else(unanswered)?;
            refused(topic.error_code, topic.error_message)?;
            Ok(topic.topic_id.unwrap_or_default())
        },
    );
    created.await
}

/// Deletes the topic with this id. `false`: this Kafka has none with this id.
pub(crate) async fn delete(
    kafka: &krafka::Kafka,
    id: [u8; 16],
    timeout: Duration,
) -> Result<bool, KrafkaError> {
    let request = DeleteTopicsRequest {
        topic_names: vec![],
        topics: vec![DeleteTopicState {
            name: None,
            topic_id: id,
        }],
        timeout_ms: millis(timeout),
    };
    let deleted = at_controller(
        kafka,
        ApiKey::DeleteTopics,
        DELETE,
        &request,
        timeout,
        |answer: DeleteTopicsResponse| {
            let topic = answer.responses.into_iter().next().ok_or_else(unanswered)?;
            refused(topic.error_code, topic.error_message)
        },
    );
    match deleted.await {
        Err(KrafkaError::Broker {
            code: ErrorCode::UnknownTopicId | ErrorCode::UnknownTopicOrPartition,
            ..
        }) => Ok(false),
        deleted => deleted.map(|()| true),
    }
}

/// Reads the brokers and the controller again. The client library waits 100 ms between two of these.
async fn refresh(kafka: &krafka::Kafka) -> Result<(), KrafkaError> {
    kafka_metadata(kafka).force_refresh(Some(&[])).await
}

/// Sends a request to the controller, and again if it was not the controller any more: then nothing was changed.
async fn at_controller<Request: VersionedEncode, Response: VersionedDecode, T>(
    kafka: &krafka::Kafka,
    api: ApiKey,
    versions: (i16, i16),
    request: &Request,
    timeout: Duration,
    read: impl Fn(Response) -> Result<T, KrafkaError>,
) -> Result<T, KrafkaError> {
    let metadata = kafka_metadata(kafka);
    let mut moves = 0;
    loop {
        if metadata.controller().is_none() {
            refresh(kafka).await?;
        }
        let controller = metadata.controller().ok_or_else(no_controller)?;
        let connection = metadata.get_broker_connection(controller.id()).await?;
        let answer = exchange(&connection, api, versions, request, timeout).await?;
        match read(answer) {
            Err(KrafkaError::Broker {
                code: ErrorCode::NotController,
                ..
            }) if moves < MOVES => {
                moves += 1;
                refresh(kafka).await?;
            }
            answer => return answer,
        }
    }
}

/// Sends a request in the highest version that both sides support.
pub(crate) async fn exchange<Response: VersionedDecode>(
    connection: &BrokerConnection,
    api: ApiKey,
    (min, max): (i16, i16),
    request: &impl VersionedEncode,
    timeout: Duration,
) -> Result<Response, KrafkaError> {
    let version = connection
        .negotiate_api_version(api, max, min)
        .ok_or_else(|| {
            let message = format!("this Kafka supports no version {min} to {max} of {api:?}");
            KrafkaError::broker(ErrorCode::UnsupportedVersion, message)
        })?;
    let encode = |buffer: &mut _| request.encode_versioned(version, buffer);
    let mut answer = connection
        .send_request_with_timeout(api, version, timeout, encode)
        .await?;
    Response::decode_versioned(version, &mut answer)
}

fn refused(code: ErrorCode, message: Option<String>) -> Result<(), KrafkaError> {
    if code.is_ok() {
        return Ok(());
    }
    Err(KrafkaError::broker(
        code,
        message.unwrap_or_else(|| format!("{code:?}")),
    ))
}

fn unanswered() -> KrafkaError {
    KrafkaError::timeout("the broker's answer lacks the requested resource")
}

fn no_controller() -> KrafkaError {
    KrafkaError::broker(ErrorCode::NotController, "Kafka reports no controller")
}

fn millis(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}
