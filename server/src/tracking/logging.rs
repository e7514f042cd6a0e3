//! What a run writes while it goes: params, metrics, tags, inputs and outputs. One transaction per call, no audit rows.

use drydock_wire::events::Topic;

use super::{
    DatasetInput, Metric, ModelMetric, Pair, rules, runs,
    store::{inputs, logged_models, metrics, runs as store},
};
use crate::{
    accounts::{Authorized, action},
    app::App,
    db::Conn,
    error::{Error, Result},
};

type Develop = Authorized<action::Develop>;

const MODEL_HISTORY_TAG: &str = "mlflow.log-model.history";

/// Things to log together, already checked one by one.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub metrics: Vec<Metric>,
    /// The same points again, where a client tied them to a logged model.
    pub model_metrics: Vec<ModelMetric>,
    pub params: Vec<Pair>,
    pub tags: Vec<Pair>,
    /// Whether it came as a list: MLflow words a param's conflict differently then.
    pub as_list: bool,
}

/// Logs all of it or nothing.
pub async fn log_batch(app: &App, _auth: &Develop, run_id: String, batch: Batch) -> Result<()> {
    let id = run_id.clone();
    app.db
        .write(move |conn| {
            let (row, _) = runs::active(conn, &id)?;
            log_params(conn, row, &id, &batch)?;
            metrics::append(conn, row, &batch.metrics)?;
            for metric in &batch.model_metrics {
                logged_models::add_metric(conn, metric)?;
            }
            for (key, value) in &batch.tags {
                runs::apply_tag(conn, row, key, value)?;
            }
            Ok(())
        })
        .await?;
    app.events.publish(Topic::Runs, Some(&run_id));
    Ok(())
}

/// A param never changes: the same value again is nothing, another one an error.
fn log_params(conn: &mut Conn, row: i64, run_id: &str, batch: &Batch) -> Result<()> {
    let mut clashes = Vec::new();
    for (key, value) in &batch.params {
        match store::param(conn, row, key)? {
            None => store::insert_param(conn, row, key, value)?,
            Some(known) if known == *value => {}
            Some(_) if super::job_runs::say_again(conn, row, key, value)? => {}
            Some(known) => clashes.push((key, known, value)),
        }
    }
    let Some((key, known, value)) = clashes.first() else { return Ok(()) };
    if !batch.as_list {
        return Err(Error::invalid(format!(
            "Changing param values is not allowed. Param with key='{key}' was already logged with value='{known}' for run \
             ID='{run_id}'. Attempted logging new value '{value}'."
        )));
    }
    let shown: Vec<String> = clashes
        .iter()
        .map(|(key, known, value)| format!("{{'key': '{key}', 'old_value': '{known}', 'new_value': '{value}'}}"))
        .collect();
    Err(Error::invalid(format!(
        "Changing param values is not allowed. Params were already logged='[{}]' for run ID='{run_id}'.",
        shown.join(", ")
    )))
}

/// Notes datasets and logged models that the run reads.
pub async fn log_inputs(
    app: &App,
    _auth: &Develop,
    run_id: String,
    datasets: Vec<DatasetInput>,
    models: Vec<String>,
) -> Result<()> {
    rules::run_id(&run_id)?;
    for input in &datasets {
        check_dataset(input)?;
    }
    let id = run_id.clone();
    app.db
        .write(move |conn| {
            let (row, experiment) = runs::active(conn, &id)?;
            for input in &datasets {
                inputs::add_dataset(conn, experiment, row, input)?;
            }
            for model in &models {
                inputs::add_model_input(conn, row, model)?;
            }
            Ok(())
        })
        .await?;
    app.events.publish(Topic::Runs, Some(&run_id));
    Ok(())
}

fn check_dataset(input: &DatasetInput) -> Result<()> {
    rules::at_most("name", 500, &input.name)?;
    rules::at_most("digest", 36, &input.digest)?;
    rules::at_most("source", 65_535, &input.source)?;
    rules::at_most("schema", 1_048_575, input.schema.as_deref().unwrap_or(""))?;
    rules::at_most("profile", 16_777_215, input.profile.as_deref().unwrap_or(""))?;
    for (key, value) in &input.tags {
        rules::at_most("key", 255, key)?;
        rules::at_most("value", 500, value)?;
    }
    Ok(())
}

/// Notes logged models, with their steps, that the run made.
pub async fn log_outputs(app: &App, _auth: &Develop, run_id: String, models: Vec<(String, i64)>) -> Result<()> {
    let id = run_id.clone();
    app.db
        .write(move |conn| {
            let (row, _) = runs::active(conn, &id)?;
            for (model, step) in &models {
                inputs::add_model_output(conn, row, model, *step)?;
            }
            Ok(())
        })
        .await?;
    app.events.publish(Topic::Runs, Some(&run_id));
    Ok(())
}

/// Appends a model's description to the run's history tag, as clients before 3.0 do after they put its files.
pub async fn log_model_record(app: &App, _auth: &Develop, run_id: String, record: serde_json::Value) -> Result<()> {
    let id = run_id.clone();
    app.db
        .write(move |conn| {
            let (row, _) = runs::active(conn, &id)?;
            let known = store::tag(conn, row, MODEL_HISTORY_TAG)?.unwrap_or_else(|| "[]".into());
            let mut history: Vec<serde_json::Value> = serde_json::from_str(&known).unwrap_or_default();
            history.push(record);
            store::set_tag(conn, row, MODEL_HISTORY_TAG, &serde_json::Value::from(history).to_string())
        })
        .await?;
    app.events.publish(Topic::Runs, Some(&run_id));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tracking::testing;

    #[test]
    fn a_param_may_be_repeated_but_never_changed() {
        let mut conn = crate::db::testing::connection();
        let run = testing::run(&mut conn, "r1");
        let batch =
            |value: &str, as_list| Batch { params: vec![("p".into(), value.into())], as_list, ..Batch::default() };
        log_params(&mut conn, run, "r1", &batch("1", false)).unwrap();
        log_params(&mut conn, run, "r1", &batch("1", false)).unwrap();
        assert_eq!(
            log_params(&mut conn, run, "r1", &batch("2", false)).unwrap_err().message,
            "Changing param values is not allowed. Param with key='p' was already logged with value='1' for run ID='r1'. \
             Attempted logging new value '2'."
        );
        assert_eq!(
            log_params(&mut conn, run, "r1", &batch("2", true)).unwrap_err().message,
            "Changing param values is not allowed. Params were already logged='[{'key': 'p', 'old_value': '1', 'new_value': \
             '2'}]' for run ID='r1'."
        );
    }
}
