//! A practice whose manifest cannot be decoded and that is being deleted. In: its metadata. Out: what can be read of it, so that it
//! ends like any other. Deliberately absent: any guess about its Kafka, which is not contacted.

use std::collections::BTreeSet;

use kube::{
    Api,
    api::{ApiResource, DynamicObject},
    core::error_boundary::InvalidObject,
};
use practice_api::{ConsumerGroupPractice, DeletionPolicy, PracticeSpec, PracticeStatus, Topic};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Context,
    error::{Error, within},
};

/// The practice without what cannot be decoded, and the names of topics that stay in Kafka; `None`: it is gone.
///
/// # Errors
/// [`Error::Finalize`] when Kubernetes refuses or does not answer.
pub(super) async fn read(
    invalid: &InvalidObject,
    context: &Context,
) -> Result<Option<(ConsumerGroupPractice, BTreeSet<String>)>, Error> {
    let name = invalid.metadata.name.clone().unwrap_or_default();
    let namespace = invalid.metadata.namespace.clone().unwrap_or_default();
    let resource = ApiResource::erase::<ConsumerGroupPractice>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), &namespace, &resource);
    let there = within(format!("get {name}"), api.get_opt(&name)).await;
    let there = there.map_err(Error::Finalize)?;
    let same = |there: &DynamicObject| there.metadata.uid == invalid.metadata.uid;
    Ok(there.filter(same).map(|there| decode(&there)))
}

/// What can be decoded.
fn decode(object: &DynamicObject) -> (ConsumerGroupPractice, BTreeSet<String>) {
    let (spec, status) = (&object.data["spec"], &object.data["status"]);
    let mut practice = ConsumerGroupPractice::new("", PracticeSpec::default());
    practice.metadata = object.metadata.clone();
    practice.spec.deletion_timeout = part(&spec["deletionTimeout"]);
    practice.status = part::<PracticeStatus>(status);
    let topics = spec["topics"].as_array().into_iter().flatten();
    let stays = |topic: &Topic| !topic.managed || topic.deletion_policy == DeletionPolicy::Retain;
    let stay = topics.filter_map(part).filter(stays);
    let stay = stay.map(|topic| topic.name).collect();
    (practice, stay)
}

fn part<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn topics_stay_whose_policy_can_be_decoded_and_says_so() {
        let created = |name: &str| json!({"name": name, "ready": true, "topicId": "1", "createdTopicId": "1"});
        let status = json!({"topics": [created("t"), created("kept"), {"name": "theirs", "ready": true, "topicId": "2"}]});
        for (spec, names, timeout) in [
            (
                json!({"topics": "none of them", "deletionTimeout": "30s"}),
                [].as_slice(),
                Some("30s"),
            ),
            (
                json!({"topics": [{"name": "t", "partitions": "3"}, {"name": "kept"}], "deletionTimeout": 30}),
                &["kept"],
                None,
            ),
            (
                json!({"topics": [{"name": "t", "deletionPolicy": "Delete"}, {"name": "kept", "managed": false}]}),
                &["kept"],
                None,
            ),
            (json!(7), &[], None),
        ] {
            let resource = ApiResource::erase::<ConsumerGroupPractice>(&());
            let object =
                DynamicObject::new("p", &resource).data(json!({"spec": spec, "status": status}));
            let (practice, stay) = decode(&object);
            let found: Vec<&str> = stay.iter().map(String::as_str).collect();
            assert_eq!(found, names, "{spec}");
            assert_eq!(practice.spec.deletion_timeout.as_deref(), timeout);
            assert_eq!(practice.metadata.name.as_deref(), Some("p"));
            assert_eq!(practice.status.map(|status| status.topics.len()), Some(3));
        }
        let bare = DynamicObject::new("p", &ApiResource::erase::<ConsumerGroupPractice>(&()));
        assert_eq!(decode(&bare).1, BTreeSet::new());
    }
}
