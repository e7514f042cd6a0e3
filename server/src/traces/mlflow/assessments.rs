//! `traces/{id}/assessments`.

use actix_web::web;
use serde_json::{Value as Json, json};

use super::{time, v3::map, view};
use crate::{
    app::App,
    error::{Error, Result},
    traces::{self, Change, Fault, Kind, NewAssessment, value::Value},
    tracking::mlflow::{Answer, Args, Who, missing, mistyped, ok, text_of},
};

pub fn configure(cfg: &mut web::ServiceConfig, base: &str) {
    cfg.route(&format!("{base}/traces/{{id}}/assessments"), web::post().to(create));
    cfg.service(
        web::resource(format!("{base}/traces/{{id}}/assessments/{{assessment}}"))
            .route(web::get().to(get))
            .route(web::patch().to(update))
            .route(web::delete().to(delete)),
    );
}

async fn create(app: web::Data<App>, who: Who, id: web::Path<String>, args: Args) -> Answer {
    let auth = who.develop()?;
    let asked = args.raw("assessment").filter(|value| value.is_object()).ok_or_else(|| missing("assessment"))?;
    let made = traces::create_assessment(&app, &auth, id.into_inner(), read_assessment(asked)?).await?;
    ok(json!({"assessment": view::assessment(&made)}))
}

async fn get(app: web::Data<App>, who: Who, path: web::Path<(String, String)>) -> Answer {
    let (trace, id) = path.into_inner();
    let found = traces::assessment(&app, &who.view()?, trace, id).await?;
    ok(json!({"assessment": view::assessment(&found)}))
}

async fn update(app: web::Data<App>, who: Who, path: web::Path<(String, String)>, args: Args) -> Answer {
    let auth = who.develop()?;
    let (trace, id) = path.into_inner();
    let asked = args.raw("assessment").filter(|value| value.is_object()).ok_or_else(|| missing("assessment"))?;
    let mask = args.required("update_mask")?;
    let changed = traces::update_assessment(&app, &auth, trace, id, read_change(asked, &mask)?).await?;
    ok(json!({"assessment": view::assessment(&changed)}))
}

async fn delete(app: web::Data<App>, who: Who, path: web::Path<(String, String)>) -> Answer {
    let (trace, id) = path.into_inner();
    traces::delete_assessment(&app, &who.develop()?, trace, id).await?;
    ok(json!({}))
}

/// The fields that the mask names; a mask has camelCase or snake_case.
fn read_change(from: &Json, mask: &str) -> Result<Change> {
    let mut change = Change::default();
    for field in mask.split(',').map(str::trim) {
        match field {
            "assessmentName" | "assessment_name" => {
                change.name = text_of(from.get("assessment_name"), "assessment_name")?
            }
            "feedback" => change.feedback = Some(feedback(from.get("feedback").unwrap_or(&Json::Null))?),
            "expectation" => change.expectation = Some(expectation(from.get("expectation").unwrap_or(&Json::Null))?),
            "rationale" => change.rationale = text_of(from.get("rationale"), "rationale")?,
            "metadata" => change.metadata = map(from.get("metadata"), "metadata")?,
            "valid" => change.valid = from.get("valid").and_then(Json::as_bool),
            _ => {}
        }
    }
    Ok(change)
}

/// An assessment as a client writes it.
pub fn read_assessment(from: &Json) -> Result<NewAssessment> {
    let text =
        |key: &str| Ok::<_, Error>(text_of(from.get(key), &format!("assessment.{key}"))?.filter(|t| !t.is_empty()));
    let there = |key: &str| from.get(key).filter(|value| !value.is_null());
    let (kind, name, value, error) = match (there("feedback"), there("expectation"), there("issue")) {
        (Some(inner), ..) => {
            let (value, error) = feedback(inner)?;
            (Kind::Feedback, text("assessment_name")?, value, error)
        }
        (None, Some(inner), _) => (Kind::Expectation, text("assessment_name")?, expectation(inner)?, None),
        (None, None, Some(issue)) => {
            let name = text_of(issue.get("issue_name"), "assessment.issue.issue_name")?.unwrap_or_default();
            (Kind::Issue, text("assessment_name")?, Value::Text(name), None)
        }
        _ => return Err(Error::invalid("Unknown assessment type: None")),
    };
    Ok(NewAssessment {
        assessment_id: text("assessment_id")?,
        name: name.ok_or_else(|| missing("assessment.assessment_name"))?,
        kind,
        value,
        error,
        source: source(from.get("source").unwrap_or(&Json::Null))?,
        span_id: text("span_id")?,
        rationale: text("rationale")?,
        metadata: map(from.get("metadata"), "assessment.metadata")?,
        overrides: text("overrides")?,
        valid: from.get("valid").and_then(Json::as_bool).unwrap_or(true),
        created_at: time::read_instant(from.get("create_time"), "assessment.create_time")?,
        updated_at: time::read_instant(from.get("last_update_time"), "assessment.last_update_time")?,
    })
}

fn source(from: &Json) -> Result<(String, Option<String>)> {
    const KINDS: [&str; 4] = ["SOURCE_TYPE_UNSPECIFIED", "HUMAN", "LLM_JUDGE", "CODE"];
    let said = from.get("source_type");
    // Protobuf's number of it.
    let by_number = said.and_then(Json::as_u64).and_then(|number| KINDS.get(usize::try_from(number).ok()?));
    let kind = match by_number {
        Some(kind) => Some((*kind).to_owned()),
        None => text_of(said, "assessment.source.source_type")?,
    };
    let kind = match kind {
        Some(kind) => match kind.as_str() {
            "AI_JUDGE" => "LLM_JUDGE".to_owned(),
            known if KINDS.contains(&known) => kind,
            _ => return Err(mistyped("assessment.source.source_type", &json!(kind))),
        },
        None => "SOURCE_TYPE_UNSPECIFIED".to_owned(),
    };
    Ok((kind, text_of(from.get("source_id"), "assessment.source.source_id")?))
}

fn feedback(from: &Json) -> Result<(Value, Option<Fault>)> {
    let error = from.get("error").filter(|error| !error.is_null());
    let error = error.map(|error| serde_json::from_value(error.clone()).map_err(|_| mistyped("feedback.error", error)));
    Ok((plain(from.get("value")), error.transpose()?))
}

fn expectation(from: &Json) -> Result<Value> {
    let Some(serialized) = from.get("serialized_value").filter(|value| !value.is_null()) else {
        return Ok(plain(from.get("value")));
    };
    let format = serialized.get("serialization_format").and_then(Json::as_str).unwrap_or_default();
    if format != "JSON_FORMAT" {
        return Err(Error::invalid(format!("Unknown serialization format: {format}. Only JSON_FORMAT is supported.")));
    }
    let text = serialized.get("value").and_then(Json::as_str).unwrap_or_default();
    Value::parse(text).ok_or_else(|| mistyped("expectation.serialized_value.value", &json!(text)))
}

/// A JSON value as ours.
fn plain(value: Option<&Json>) -> Value {
    value.and_then(|value| Value::parse(&value.to_string())).unwrap_or(Value::Null)
}
