//! Five owners of one Deployment: the manifest, `kubectl scale`, an autoscaler, admission, and whoever deletes it. A hundred random
//! schedules of what they do; after each the state is what the newest manifest says, and where it says no number, what the last
//! owner of the number says. No controller of Kubernetes runs.

use std::{collections::HashSet, time::Duration};

use futures::{StreamExt, stream};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    apps::v1::Deployment,
    core::v1::ConfigMap,
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use practice_plan::labels::{HOLD, is_held};
use serde_json::json;
use tokio::time::sleep;

use crate::scene::{Scene, owners_of_replicas};

const SCHEDULES: u64 = 100;
const AT_ONCE: usize = 10;
/// The answer of a `ValidatingAdmissionPolicy` that denies.
const DENIED: u16 = 422;
const OPERATOR: &str = "practice-operator";

/// Steele's `SplitMix64`: the same schedule for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn count(&mut self, limit: u64) -> i32 {
        i32::try_from(self.below(limit)).expect("is small")
    }
}

/// What the newest manifest says about the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wish {
    stopped: bool,
    replicas: Option<i32>,
}

impl Wish {
    fn random(dice: &mut Dice) -> Self {
        Self {
            stopped: dice.below(3) == 0,
            replicas: (dice.below(2) == 0).then(|| dice.count(4)),
        }
    }

    /// The number that the operator sets; `None`: another owner does.
    fn number(self) -> Option<i32> {
        if self.stopped { Some(0) } else { self.replicas }
    }
}

/// One practice, and what happens to it.
struct Schedule<'a> {
    scene: &'a Scene,
    seed: u64,
    dice: Dice,
    practice: String,
    deployment: String,
    group: String,
    /// `None`: the practice is deleted.
    wish: Option<Wish>,
    /// The Deployment whose number was set last, since the present manifest: its uid, and the number.
    scaled: Option<(String, i32)>,
    history: Vec<String>,
}

impl<'a> Schedule<'a> {
    fn new(scene: &'a Scene, seed: u64) -> Self {
        let (practice, group) = (format!("s{seed}"), scene.name(&format!("g{seed}")));
        Self {
            scene,
            seed,
            dice: Dice(seed),
            deployment: format!("{practice}-{group}"),
            practice,
            group,
            wish: None,
            scaled: None,
            history: Vec::new(),
        }
    }

    async fn run(mut self) -> Self {
        let first = Wish::random(&mut self.dice);
        self.apply(first).await;
        for _ in 0..3 + self.dice.below(6) {
            sleep(Duration::from_millis(self.dice.below(400))).await;
            match self.dice.below(6) {
                0 | 1 => {
                    let wish = Wish::random(&mut self.dice);
                    self.apply(wish).await;
                }
                2 => {
                    self.scale("kubectl").await;
                }
                3 => {
                    self.scale("kube-controller-manager").await;
                }
                4 => self.admission().await,
                _ => self.delete().await,
            }
        }
        let wish = self.wish;
        if self.dice.below(2) == 0 || wish.is_none() {
            let last = Wish::random(&mut self.dice);
            self.apply(last).await;
        }
        deny(self.scene, &self.deployment, false).await;
        self
    }

    async fn apply(&mut self, wish: Wish) {
        self.history.push(format!("{wish:?}"));
        let mut group =
            json!({"name": self.group, "state": if wish.stopped { "Stopped" } else { "Running" }});
        if let Some(replicas) = wish.replicas {
            group["replicas"] = json!(replicas);
        }
        let topics = json!([{"name": self.scene.name("t")}]);
        let spec = json!({"topics": topics, "groups": [group], "producer": {"enabled": false}});
        self.scene.apply(&self.practice, &spec).await;
        if self.wish.replace(wish) != Some(wish) {
            self.scaled = None;
        }
    }

    /// Out: whether it could: the Deployment may not be there, and admission may deny it.
    async fn scale(&mut self, manager: &str) -> bool {
        let replicas = self.dice.count(5);
        self.history.push(format!("{manager} {replicas}"));
        let params = PatchParams {
            field_manager: Some(manager.to_owned()),
            ..PatchParams::default()
        };
        let deployments = self.scene.api::<Deployment>();
        loop {
            let Ok(there) = deployments.get(&self.deployment).await else {
                return false;
            };
            // in this version, so that it is known what is there before
            let version = &there.metadata.resource_version;
            let patch = Patch::Merge(
                json!({"metadata": {"resourceVersion": version}, "spec": {"replicas": replicas}}),
            );
            let scaled = deployments.patch_scale(&self.deployment, &params, &patch);
            match scaled.await {
                Ok(scaled) => {
                    // Kubernetes records no owner for what is there already: the operator's number stays the operator's
                    let is_ours = owners_of_replicas(&there).iter().any(|it| it == OPERATOR);
                    if there.spec.replicas != Some(replicas) || !is_ours {
                        self.scaled = scaled.metadata.uid.map(|uid| (uid, replicas));
                    }
                    return true;
                }
                Err(kube::Error::Api(status)) if status.code == 409 => {} // written since then
                Err(_) => return false,
            }
        }
    }

    async fn admission(&mut self) {
        let denied = self.dice.below(2) == 0;
        self.history.push(format!("denied: {denied}"));
        deny(self.scene, &self.deployment, denied).await;
    }

    async fn delete(&mut self) {
        let now = DeleteParams::default();
        self.scaled = None;
        if self.dice.below(2) == 0 {
            self.history.push("no Deployment".to_owned());
            let deployments = self.scene.api::<Deployment>();
            deployments.delete(&self.deployment, &now).await.ok(); // it may not be there
            return;
        }
        self.history.push("no practice".to_owned());
        if self.wish.take().is_some() {
            self.scene.delete(&self.practice).await;
        }
    }

    /// Waits for the state that the owners want, and fails with the schedule.
    async fn is_settled(&self) {
        let wish = self.wish.expect("was applied at last");
        let what = format!("seed {}, {:?}", self.seed, self.history);
        let settled = async || {
            let deployment = self.scene.get::<Deployment>(&self.deployment).await?;
            let spec = &deployment.spec;
            let replicas = spec.replicas;
            let owners = owners_of_replicas(&deployment);
            let metadata = spec.template.metadata.as_ref();
            let annotations = metadata.and_then(|metadata| metadata.annotations.as_ref());
            let hold = annotations.and_then(|all| all.get(HOLD));
            let keeps_out = is_held(hold.map(String::as_str));
            let is_ours = owners.iter().any(|owner| owner == OPERATOR);
            let practice = self.scene.practice(&self.practice).await?;
            let status = practice.status.unwrap_or_default();
            let shown = status.groups.first().map(|group| group.replicas);
            let is_current = status.observed_generation == practice.metadata.generation;
            let uid = deployment.metadata.uid.as_ref();
            let scaled = self
                .scaled
                .as_ref()
                .filter(|(scaled, _)| uid == Some(scaled));
            let number = wish.number().or(scaled.map(|(_, number)| *number));
            let right = replicas.is_some()
                && (number.is_none() || replicas == number)
                && is_ours == wish.number().is_some()
                && keeps_out == wish.stopped
                && (is_current, shown) == (true, replicas);
            if right {
                Ok(())
            } else {
                let conditions: Vec<_> = status
                    .conditions
                    .iter()
                    .map(|it| format!("{}={}: {}", it.type_, it.status, it.message))
                    .collect();
                Err(format!(
                    "wanted {number:?} of {wish:?}, there are {replicas:?} of {owners:?}, keeps out {keeps_out}, status {shown:?} {is_current}: {conditions:#?}"
                ))
            }
        };
        self.scene.until(&what, settled).await;
    }
}

/// Admission that denies every write of the Deployments that a `ConfigMap` names.
async fn admission(scene: &Scene) {
    let name = scene.name("deny");
    let posted = PostParams::default();
    let denied = json!({"metadata": {"name": "denied"}});
    let denied: ConfigMap = serde_json::from_value(denied).expect("is one");
    let created = scene.api().create(&posted, &denied).await;
    created.expect("may be created");
    let policy = json!({"metadata": {"name": name}, "spec": {
        "failurePolicy": "Fail",
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConstraints": {"resourceRules": [{"apiGroups": ["apps"], "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"], "resources": ["deployments", "deployments/scale"]}]},
        "validations": [{"expression": "!has(params.data) || !(object.metadata.name in params.data)",
            "message": "not today"}],
    }});
    let policy: ValidatingAdmissionPolicy = serde_json::from_value(policy).expect("is one");
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(scene.client.clone());
    policies
        .create(&posted, &policy)
        .await
        .expect("may be created");
    let binding = json!({"metadata": {"name": name}, "spec": {
        "policyName": name, "validationActions": ["Deny"],
        "paramRef": {"name": "denied", "namespace": scene.namespace, "parameterNotFoundAction": "Allow"},
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": scene.namespace}}},
    }});
    let binding: ValidatingAdmissionPolicyBinding =
        serde_json::from_value(binding).expect("is one");
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(scene.client.clone());
    bindings
        .create(&posted, &binding)
        .await
        .expect("may be created");
    // the API server asks a new policy a little later
    let probe = scene.name("probe");
    deny(scene, &probe, true).await;
    let labels = json!({"app": probe});
    let body: Deployment = serde_json::from_value(json!({
        "metadata": {"name": probe},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "c", "image": "none"}]}}},
    }))
    .expect("is one");
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let is_in_force = async || match scene.api().create(&dry_run, &body).await {
        Err(kube::Error::Api(status)) if status.code == DENIED => Ok(()),
        other => Err(format!("{other:?}")),
    };
    scene.until("the policy is in force", is_in_force).await;
    deny(scene, &probe, false).await;
}

async fn deny(scene: &Scene, deployment: &str, denied: bool) {
    let value = denied.then_some("denied");
    let patch = Patch::Merge(json!({"data": {deployment: value}}));
    let maps = scene.api::<ConfigMap>();
    let patched = maps.patch("denied", &PatchParams::default(), &patch).await;
    patched.expect("may be changed");
}

#[tokio::test]
async fn whatever_five_owners_do_the_newest_word_of_each_holds() {
    let scene = Scene::new("owners").await;
    admission(&scene).await;
    tokio::select! {
        () = run(&scene) => {}
        never = scene.collect_garbage() => match never {},
    }
    let writes = scene.writes().await;
    let denied = writes
        .iter()
        .filter(|write| write.contains(&format!("deployments {DENIED} ")));
    assert!(denied.count() > 0, "admission denied none of {writes:?}");
}

async fn run(scene: &Scene) {
    let schedules = (1..=SCHEDULES).map(|seed| Schedule::new(scene, seed).run());
    let mut done: Vec<Schedule<'_>> = stream::iter(schedules)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    for schedule in &done {
        schedule.is_settled().await;
    }
    scene.quiet().await;
    // the manifest's number is put back, without one that of the last owner holds, also after the operator looked again
    let mut told = HashSet::new();
    for schedule in &mut done {
        assert!(schedule.scale("kubectl").await, "seed {}", schedule.seed);
        let wish = schedule.wish.expect("was applied at last");
        told.insert((wish.stopped, wish.replicas.is_some()));
        let practice = json!({"metadata": {"annotations": {"seed": schedule.seed.to_string()}}});
        scene.merge(&schedule.practice, &practice).await;
    }
    assert_eq!(told.len(), 4, "every kind of manifest is among them");
    scene.quiet().await;
    for schedule in &done {
        schedule.is_settled().await;
    }
}
