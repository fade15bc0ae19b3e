//! Previews an action of the live view. In: a validated action. Out: its forecast, in the words of `predict`. Reads the practice;
//! changes nothing.

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

/// The forecast of an action on a practice of the cluster.
pub(crate) async fn preview_action(
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
            return Err(Refusal::unknown("no preview is available for this action"));
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
        .map_err(|error| conflict(format!("the practice cannot be decoded: {error}")))
}

fn conflict(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, message)
}

/// The forecast for the group of an action.
///
/// # Errors
/// The change would be rejected, or the group does not exist.
pub fn forecast(prediction: &Prediction, action: &Action) -> Result<Forecast, Refusal> {
    if !prediction.refused.is_empty() {
        return Err(conflict(prediction.refused.join("; ")));
    }
    let (Action::Scale { group: id, .. }
    | Action::Stop { group: id }
    | Action::Start { group: id }) = action
    else {
        return Err(Refusal::unknown("no preview is available for this action"));
    };
    let Some(group) = prediction.groups.iter().find(|group| group.name == *id) else {
        return Err(Refusal::unknown(format!("group {id} no longer exists")));
    };
    let notes = prediction.notes.iter().map(|note| ForecastRow {
        label: "note".to_owned(),
        why: note.clone(),
        warns: true,
        ..ForecastRow::default()
    });
    let rows = words::group(group).into_iter().map(|line| ForecastRow {
        label: line.label.to_owned(),
        number: line.number,
        why: line.why,
        warns: line.manner == words::Manner::Warning,
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
    fn a_forecast_is_about_the_group_of_the_action() {
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
        let result = forecast(&prediction, &scale("b")).expect("should have a forecast");
        assert_eq!(
            (result.title.as_str(), result.verb.as_str()),
            ("b: 2 → 4 consumers", "Scale to 4")
        );
        let rows: Vec<_> = result
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
            (result.starts, result.idle.as_str()),
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
