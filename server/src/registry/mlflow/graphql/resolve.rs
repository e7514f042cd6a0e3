//! Root fields answered: the REST call's own answer, cut to what was wanted.

use serde_json::{Map, Value, json};

use super::{
    document::Wanted,
    schema::{Kind, MUTATION, QUERY, Type},
};
use crate::{
    accounts::{
        self, Authorized, action,
        projects::{self, subjects},
    },
    app::App,
    error::{Error, Result},
    registry::mlflow::versions,
    tracking::mlflow::{Args, artifacts, datasets, experiments, metrics, runs},
};

type View = Authorized<action::View>;

/// The root field's value.
pub async fn root(app: &App, auth: &View, field: &Wanted) -> Result<Value> {
    if field.name == "__typename" {
        return Ok(json!(QUERY.name));
    }
    let given = input(field);
    let auth = &placed(app, auth, &given).await?;
    let args = Args::of(given)?;
    let mut answer = match field.name.as_str() {
        "mlflowGetExperiment" => experiments::found(app, auth, &args).await?,
        "mlflowGetRun" => runs::found(app, auth, &args).await?,
        "mlflowSearchRuns" => runs::searched(app, auth, &args).await?,
        "mlflowGetMetricHistoryBulkInterval" => metrics::interval_of(app, auth, &args).await?,
        "mlflowListArtifacts" => artifacts::of_folder(app, auth, &args).await?,
        "mlflowSearchModelVersions" => versions::searched(app, auth, &args).await?,
        "mlflowSearchDatasets" => datasets::found(app, auth, &args).await?,
        "test" | "testMutation" => json!({"output": args.text("input_string")?}),
        other => return Err(Error::invalid(format!("Cannot query field '{other}'."))),
    };
    relate(app, auth, field, &mut answer).await?;
    let kind = QUERY.field(&field.name).or_else(|| MUTATION.field(&field.name));
    Ok(kind.map_or(Value::Null, |kind| cut(&answer, kind, field)))
}

/// The right to look at what the arguments name, wherever that is.
async fn placed(app: &App, auth: &View, given: &Map<String, Value>) -> Result<View> {
    let subjects = subjects::of_mlflow_fields("", given)?;
    let who = auth.principal().clone();
    let who = app.db.read(move |conn| projects::enter_all(conn, who, subjects)).await?;
    accounts::authorize(&who, action::View, &who.project)
}

/// The argument `input`, or the plain arguments of the echo.
fn input(field: &Wanted) -> Map<String, Value> {
    match field.arguments.get("input") {
        Some(Value::Object(fields)) => fields.clone(),
        _ => field.arguments.clone(),
    }
}

/// Adds each run's experiment and model versions, where they are wanted.
async fn relate(app: &App, auth: &View, field: &Wanted, answer: &mut Value) -> Result<()> {
    let Some(wanted) = field.fields.iter().find(|inner| matches!(inner.name.as_str(), "run" | "runs")) else {
        return Ok(());
    };
    let asks = |name: &str| wanted.fields.iter().any(|inner| inner.name == name);
    let runs: Vec<&mut Value> = match answer.get_mut(&wanted.name) {
        Some(Value::Array(runs)) => runs.iter_mut().collect(),
        Some(run) => vec![run],
        None => Vec::new(),
    };
    let mut known: Map<String, Value> = Map::new();
    for run in runs {
        if asks("experiment") {
            let id = run["info"]["experiment_id"].as_str().unwrap_or_default().to_owned();
            if !known.contains_key(&id) {
                let args = Args::of(Map::from_iter([("experiment_id".to_owned(), json!(id))]))?;
                known.insert(id.clone(), experiments::found(app, auth, &args).await?["experiment"].take());
            }
            run["experiment"] = known[&id].clone();
        }
        if asks("modelVersions") {
            let filter = format!("run_id='{}'", run["info"]["run_id"].as_str().unwrap_or_default());
            let args = Args::of(Map::from_iter([("filter".to_owned(), json!(filter))]))?;
            run["model_versions"] = versions::searched(app, auth, &args).await?["model_versions"].take();
        }
    }
    Ok(())
}

fn cut(value: &Value, kind: Kind, field: &Wanted) -> Value {
    match kind {
        Kind::Nothing(_) => Value::Null,
        Kind::One(inner) => object(value, inner, field),
        Kind::Many(inner) => value.as_array().into_iter().flatten().map(|item| object(item, inner, field)).collect(),
        Kind::Texts => {
            if value.is_array() {
                value.clone()
            } else {
                json!([])
            }
        }
        Kind::Text => {
            if value.is_null() {
                json!("")
            } else {
                value.clone()
            }
        }
        Kind::Long => match value {
            Value::Null => json!("0"),
            Value::String(text) => json!(text),
            other => json!(other.to_string()),
        },
        // NaN is no number in GraphQL; the page takes null for it.
        Kind::Float => match value {
            Value::Null => json!(0.0),
            Value::String(_) => Value::Null,
            other => other.clone(),
        },
        Kind::Bool => json!(value.as_bool().unwrap_or(false)),
        Kind::Word => value.clone(),
    }
}

fn object(value: &Value, within: &Type, field: &Wanted) -> Value {
    let pick = |inner: &Wanted| match within.field(&inner.name) {
        Some(kind) => cut(&value[snake(&inner.name)], kind, inner),
        None => json!(within.name),
    };
    Value::Object(field.fields.iter().map(|inner| (inner.key.clone(), pick(inner))).collect())
}

fn snake(name: &str) -> String {
    let mut spelt = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            spelt.push('_');
        }
        spelt.push(c.to_ascii_lowercase());
    }
    spelt
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::registry::mlflow::graphql::document;

    #[test]
    fn answers_are_cut_to_what_was_wanted_and_filled_with_defaults() {
        let text = "{ mlflowGetRun(input: {runId: \"r\"}) { __typename apiError { code } run { info { id: runId endTime userId } \
                    data { metrics { value step } tags { key } } inputs { datasetInputs { dataset { name } } } } } }";
        let fields = document::read(text, None, &Map::new()).unwrap();
        let answer = json!({"run": {
            "info": {"run_id": "r", "status": "RUNNING"},
            "data": {"metrics": [{"key": "a", "value": "NaN", "step": 9_007_199_254_740_993_i64}]},
        }});
        assert_eq!(
            cut(&answer, QUERY.field("mlflowGetRun").unwrap(), &fields[0]),
            json!({
                "__typename": "MlflowGetRunResponse",
                "apiError": null,
                "run": {
                    "info": {"id": "r", "endTime": "0", "userId": ""},
                    "data": {"metrics": [{"value": null, "step": "9007199254740993"}], "tags": []},
                    "inputs": {"datasetInputs": []},
                },
            })
        );
    }
}
