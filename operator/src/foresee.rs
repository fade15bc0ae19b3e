//! What an action of the picture would do to its group, said before it is done. In: an action that was checked. Out: a
//! forecast, in the words of `predict`. Reads the practice; changes nothing.

use axum::http::StatusCode;
use kube::{
    Api, Client,
    api::ListParams,
    core::{DeserializeGuard, DynamicObject},
};
use practice_api::ConsumerGroupPractice;
use practice_plan::{
    plan::{Defaults, SpecFault, plan},
    predict::{Broker, Now, Prediction, predict, rows_of_pods, words},
};
use practice_view::{Action, Forecast, ForecastRow, Key, Refusal};
use serde_json::json;

use crate::{
    actions::{edit, practice, refused, scaled},
    context::{age, allowed},
    error::within,
};

/// What it would do to a practice of the cluster.
pub(crate) async fn foresee(
    client: Client,
    defaults: Defaults,
    key: Key,
    action: Action,
) -> Result<Forecast, Refusal> {
    let before = practice(&client, &key).await?;
    let mut after = before.clone();
    match &action {
        Action::Scale { group, to } => edit(&mut after, group, "replicas", |before| {
            json!(scaled(before, *to))
        })?,
        Action::Stop { group } => edit(&mut after, group, "state", |_| json!("Stopped"))?,
        Action::Start { group } => edit(&mut after, group, "state", |_| json!("Running"))?,
        _ => {
            return Err(Refusal::unknown(
                "of that nothing is said before it is done",
            ));
        }
    };
    let (before, after) = (read(before)?, read(after)?);
    let all = Api::<DeserializeGuard<ConsumerGroupPractice>>::namespaced(client, &key.0);
    let all = within("list the practices", all.list(&ListParams::default()))
        .await
        .map_err(refused)?;
    let others = all.iter().filter_map(|other| other.0.as_ref().ok());
    let elders = others.filter(|other| age(other) < age(&before));
    let refuses = |fault: SpecFault| conflict(fault.to_string());
    let now = plan(&before, &defaults).map_err(refuses)?;
    let then = plan(&after, &defaults)
        .and_then(|then| allowed(&defaults, &after, then, elders))
        .map_err(refuses)?;
    let rows = before
        .status
        .as_ref()
        .map(|status| rows_of_pods(&now, status))
        .unwrap_or_default();
    let now = Now {
        plan: &now,
        status: before.status.as_ref(),
        rows: &rows,
    };
    forecast(&predict(&then, Some(&now), Broker::default()), &action)
}

fn read(practice: DynamicObject) -> Result<ConsumerGroupPractice, Refusal> {
    practice
        .try_parse()
        .map_err(|error| conflict(format!("the practice cannot be read: {error}")))
}

fn conflict(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, message)
}

/// What is foreseen of the group that an action is about.
///
/// # Errors
/// It would be refused, or there is no such group.
pub fn forecast(prediction: &Prediction, action: &Action) -> Result<Forecast, Refusal> {
    if !prediction.refused.is_empty() {
        return Err(conflict(prediction.refused.join("; ")));
    }
    let (Action::Scale { group: id, .. }
    | Action::Stop { group: id }
    | Action::Start { group: id }) = action
    else {
        return Err(Refusal::unknown(
            "of that nothing is said before it is done",
        ));
    };
    let Some(group) = prediction.groups.iter().find(|group| group.name == *id) else {
        return Err(Refusal::unknown(format!("there is no group {id} any more")));
    };
    let notes = prediction.notes.iter().map(|note| ForecastRow {
        label: "note".to_owned(),
        why: note.clone(),
        warns: true,
        ..ForecastRow::default()
    });
    let rows = words::group(group).into_iter().map(|said| ForecastRow {
        label: said.label.to_owned(),
        number: said.number,
        why: said.why,
        warns: said.manner == words::Manner::Warning,
    });
    Ok(Forecast {
        title: format!("{id}: {}", words::consumers(group)),
        verb: match action {
            Action::Stop { .. } => "Stop".to_owned(),
            Action::Start { .. } => "Start".to_owned(),
            _ => format!("Scale to {}", group.to),
        },
        rows: rows.chain(notes).collect(),
        starts: group.to.saturating_sub(group.from),
        idle: group
            .idle
            .as_ref()
            .filter(|idle| idle.number > 0)
            .map(|idle| idle.why.clone())
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use practice_view::Scale;

    use super::*;
    use practice_plan::{predict::Count, predict::GroupChange, predict::GroupPrediction};

    #[test]
    fn it_is_about_the_group_of_the_action_in_the_words_of_the_plan() {
        let group = |name: &str| GroupPrediction {
            name: name.to_owned(),
            change: GroupChange::Scaled,
            from: 2,
            to: 4,
            because: Vec::new(),
            starts: Count {
                number: 2,
                why: String::new(),
            },
            stops: Count::default(),
            idle: Some(Count {
                number: 1,
                why: "3 partitions, 4 consumers: 1 waits".into(),
            }),
            advice: None,
            moves: None,
            stays: None,
            unknown: None,
            pause: None,
        };
        let groups = vec![group("a"), group("b")];
        let prediction = Prediction {
            groups,
            notes: vec!["be careful".into()],
            ..Prediction::default()
        };
        let scale = |group: &str| Action::Scale {
            group: group.to_owned(),
            to: Scale::By(2),
        };
        let told = forecast(&prediction, &scale("b")).expect("it is told");
        assert_eq!(
            (told.title.as_str(), told.verb.as_str()),
            ("b: 2 → 4 consumers", "Scale to 4")
        );
        let rows: Vec<_> = told
            .rows
            .iter()
            .map(|r| (&*r.label, &*r.number, &*r.why, r.warns))
            .collect();
        let idle = (
            "idle",
            "1 of 4 consumers",
            "3 partitions, 4 consumers: 1 waits",
            true,
        );
        assert_eq!(
            rows,
            [
                ("starts", "2 consumers", "", false),
                idle,
                ("note", "", "be careful", true)
            ]
        );
        assert_eq!(
            (told.starts, told.idle.as_str()),
            (2, "3 partitions, 4 consumers: 1 waits")
        );
        assert_eq!(
            forecast(&prediction, &scale("c"))
                .expect_err("is not there")
                .status,
            StatusCode::NOT_FOUND
        );
        let refused = Prediction {
            refused: vec!["too many".into()],
            ..Prediction::default()
        };
        assert_eq!(
            forecast(&refused, &scale("a"))
                .expect_err("refused")
                .message,
            "too many"
        );
    }
}
