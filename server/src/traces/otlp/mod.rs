//! `POST /v1/traces`: spans as OpenTelemetry's exporters send them, in protobuf or JSON, plain or compressed. The experiment is
//! in the header `x-mlflow-experiment-id`, a run (if any) in `x-mlflow-run-id`; answers have the forms of MLflow's server.
//!
//! Always holds: an export is kept whole or not at all; what it unpacks to is bounded before it is read.

mod json;
mod proto;

use std::{collections::HashMap, io::Read, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use serde_json::json;
use tokio::sync::Semaphore;

use super::{
    count, rules,
    span::{Attributes, Span},
    summary::Arrived,
};
use crate::{
    accounts::{
        self, action,
        projects::{self, Kind, Subject},
    },
    app::App,
    error::{Error, Result},
    tracking::mlflow::{Answer, Who},
};

const EXPERIMENT: &str = "x-mlflow-experiment-id";
const RUN: &str = "x-mlflow-run-id";

/// Exports that are read and kept at the same time.
static READING: Semaphore = Semaphore::const_new(4);

/// A span behind the ids of its trace, of itself and of its parent, as they came.
type Identified = (Vec<u8>, Vec<u8>, Vec<u8>, Span);

/// Spans of one program.
pub struct Batch {
    resource: Arc<Attributes>,
    spans: Vec<Identified>,
}

pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.route("/v1/traces", web::post().to(export));
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

async fn export(app: web::Data<App>, who: Who, request: HttpRequest, body: web::Payload) -> Answer {
    let auth = who.develop()?;
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let Some(experiment) = header(EXPERIMENT) else {
        let missing =
            json!([{"type": "missing", "loc": ["header", EXPERIMENT], "msg": "Field required", "input": null}]);
        return Ok(HttpResponse::UnprocessableEntity().json(json!({"detail": missing})));
    };
    let experiment = crate::tracking::rules::experiment_id(experiment)?;
    let who = auth.principal().clone();
    let target = [Subject::new(Kind::Experiment, experiment.to_string())];
    let who = app.db.glance(move |conn| projects::enter_all(conn, who, target)).await?;
    let auth = accounts::authorize(&who, action::Develop, &who.project)?;
    let kind = header("content-type");
    let form = match kind.and_then(|kind| kind.split(';').next()).map(str::trim) {
        Some("application/x-protobuf") => Form::Protobuf,
        Some("application/json") => Form::Json,
        _ => {
            let shown = kind.unwrap_or("None");
            let text = format!("Invalid Content-Type: {shown}. Expected: application/x-protobuf or application/json");
            return Ok(refused(StatusCode::BAD_REQUEST, &text));
        }
    };
    let encoding = header("content-encoding").map(str::to_ascii_lowercase);
    let run = header(RUN).filter(|run| !run.is_empty()).map(str::to_owned);
    let body = body
        .to_bytes_limited(rules::MAX_EXPORT_BYTES)
        .await
        .map_err(|_| {
            Error::too_large(format!(
                "The export is larger than {} bytes; send smaller batches.",
                rules::MAX_EXPORT_BYTES
            ))
        })?
        .map_err(|cause| Error::invalid(format!("The export broke off: {cause}")))?;
    // What is read is held in memory, so a few at a time.
    let _turn = READING.acquire().await.map_err(Error::internal)?;
    let read = move || read(&body, form, encoding.as_deref());
    match tokio::task::spawn_blocking(read).await.map_err(Error::internal)?? {
        Outcome::Spans(arrived) => {
            super::log_spans(&app, &auth, experiment, run, arrived).await?;
            Ok(match form {
                Form::Protobuf => HttpResponse::Ok().content_type("application/x-protobuf").finish(),
                Form::Json => HttpResponse::Ok().json(json!({})),
            })
        }
        Outcome::Refused(status, text) => Ok(refused(status, &text)),
    }
}

/// What MLflow's OTLP route says, which is no error of its other routes' form.
fn refused(status: StatusCode, text: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({"detail": text}))
}

enum Outcome {
    Spans(Vec<Arrived>),
    Refused(StatusCode, String),
}

fn read(body: &[u8], form: Form, encoding: Option<&str>) -> Result<Outcome> {
    let bad = |text: &str| Ok(Outcome::Refused(StatusCode::BAD_REQUEST, text.to_owned()));
    let unpacked = match encoding {
        None | Some("" | "identity") => body.to_vec(),
        Some("gzip") => match unpack(GzDecoder::new(body))? {
            Some(bytes) => bytes,
            None => return bad("Failed to decompress gzip payload"),
        },
        Some("deflate") => match unpack(ZlibDecoder::new(body))? {
            Some(bytes) => bytes,
            // Some clients send deflate without zlib's head.
            None => match unpack(DeflateDecoder::new(body))? {
                Some(bytes) => bytes,
                None => return bad("Failed to decompress deflate payload"),
            },
        },
        Some(other) => return bad(&format!("Unsupported Content-Encoding: {other}")),
    };
    let Some(batches) = batches_of(&unpacked, form)? else { return bad("Invalid OpenTelemetry format") };
    if batches.is_empty() {
        return bad("Invalid OpenTelemetry format - no spans found");
    }
    let spans = batches.iter().map(|batch| batch.spans.len()).sum();
    few_enough(spans, rules::MAX_SPANS_PER_REQUEST, "spans")?;
    Ok(match by_trace(batches) {
        Ok(arrived) => Outcome::Spans(arrived),
        Err(error) if error.code == drydock_wire::ErrorCode::TooLarge => return Err(error),
        Err(error) => Outcome::Refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("Cannot convert OpenTelemetry span to MLflow span: {}", error.message),
        ),
    })
}

/// What the bytes hold, which is counted before it is read; `None` when they are no export.
fn batches_of(bytes: &[u8], form: Form) -> Result<Option<Vec<Batch>>> {
    match form {
        Form::Protobuf => {
            let Some(counts) = count::of_export(bytes) else { return Ok(None) };
            few_enough(counts.spans, rules::MAX_SPANS_PER_REQUEST, "spans")?;
            few_enough(counts.values, rules::MAX_VALUES_PER_REQUEST, "values")?;
            Ok(proto::read(bytes))
        }
        Form::Json => {
            // An attribute is four values: itself, its key, its value's type and that.
            few_enough(count::values_of_json(bytes) / 4, rules::MAX_VALUES_PER_REQUEST, "values")?;
            Ok(json::read(bytes))
        }
    }
}

fn few_enough(found: usize, most: usize, what: &str) -> Result<()> {
    if found <= most {
        return Ok(());
    }
    Err(Error::too_large(format!(
        "The export has {found} {what}; at most {most} are read at once. Send smaller batches."
    )))
}

/// All bytes; `None` when they are not what they should be.
fn unpack(decoder: impl Read) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let most = rules::MAX_UNPACKED_BYTES as u64;
    match decoder.take(most + 1).read_to_end(&mut bytes) {
        Ok(size) if size as u64 > most => {
            Err(Error::too_large(format!("The export unpacks to more than {most} bytes; send smaller batches.")))
        }
        Ok(_) => Ok(Some(bytes)),
        Err(_) => Ok(None),
    }
}

/// The spans sorted by their traces, in the order these first appear; of the same span in one export the last counts.
fn by_trace(batches: Vec<Batch>) -> Result<Vec<Arrived>> {
    let mut places: HashMap<[u8; 16], usize> = HashMap::new();
    let mut all: Vec<Arrived> = Vec::new();
    // What a program says of itself becomes tags of each of its traces.
    let mut copied = 0;
    for batch in batches {
        let size: usize = batch.resource.iter().map(|(key, value)| key.len() + value.text_bytes()).sum();
        for (trace, id, parent, mut span) in batch.spans {
            let trace: [u8; 16] = rules::padded(&trace, "trace id")?;
            span.id = i64::from_be_bytes(rules::padded(&id, "id")?);
            span.parent = match parent.iter().all(|byte| *byte == 0) {
                true => None,
                false => Some(i64::from_be_bytes(rules::padded(&parent, "parent id")?)),
            };
            let place = *places.entry(trace).or_insert_with(|| {
                copied += size;
                all.push(Arrived { otel_id: trace.to_vec(), ..Arrived::default() });
                all.len() - 1
            });
            let arrived = &mut all[place];
            if arrived.resource.is_empty() {
                arrived.resource = Arc::clone(&batch.resource);
            }
            arrived.spans.push(span);
        }
        if copied > rules::MAX_UNPACKED_BYTES {
            return Err(Error::too_large(
                "The resource attributes are too large to be kept with so many traces; send smaller batches.",
            ));
        }
    }
    for arrived in &mut all {
        without_repetitions(&mut arrived.spans);
        let request = super::value::Value::Text(rules::trace_id_of(&arrived.otel_id));
        for span in &mut arrived.spans {
            span.set_attribute(super::span::key::REQUEST_ID, request.clone());
        }
    }
    Ok(all)
}

fn without_repetitions(spans: &mut Vec<Span>) {
    let mut last: HashMap<i64, usize> = HashMap::new();
    for (index, span) in spans.iter().enumerate() {
        last.insert(span.id, index);
    }
    if last.len() < spans.len() {
        let mut index = 0;
        spans.retain(|span| {
            index += 1;
            last.get(&span.id) == Some(&(index - 1))
        });
    }
}

/// For the fuzzer: reads an export as a request would and keeps it nowhere. How many spans it had, and how many of them can be
/// read again from what would have been kept; `None` when it is refused.
pub fn read_export(body: &[u8], is_json: bool) -> Option<(usize, usize)> {
    let form = if is_json { Form::Json } else { Form::Protobuf };
    match read(body, form, None) {
        Ok(Outcome::Spans(arrived)) => super::ingest::kept_again(arrived),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::*;

    const BODY: &[u8] = br#"{"resourceSpans": [{"resource": {"attributes": [{"key": "a", "value": {"stringValue": "b"}}]}, "scopeSpans": [
        {"spans": [{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "parentSpanId": "0000000000000000",
        "name": "old"}, {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "new"}]}]}]}"#;

    fn spans(read: Outcome) -> Vec<Arrived> {
        match read {
            Outcome::Spans(arrived) => arrived,
            Outcome::Refused(_, text) => panic!("{text}"),
        }
    }

    #[test]
    fn what_takes_more_memory_than_bytes_is_refused_before_it_is_read() {
        let code = |form, bytes: &[u8]| read(bytes, form, None).err().map(|error| error.code);
        let too_large = Some(drydock_wire::ErrorCode::TooLarge);
        let list = format!(r#"{{"resourceSpans": [{{"x": [{}0]}}]}}"#, "0,".repeat(5_000_000));
        assert_eq!(code(Form::Json, list.as_bytes()), too_large);
        // Two bytes each: spans, then attributes of one span.
        let within = |tag: u8, inner: &[u8]| {
            let mut outer = vec![tag << 3 | 2];
            prost::encoding::encode_varint(inner.len() as u64, &mut outer);
            outer.extend_from_slice(inner);
            outer
        };
        let export = |spans: &[u8]| within(1, &within(2, spans));
        let spans = export(&[0x12, 0].repeat(rules::MAX_SPANS_PER_REQUEST + 1));
        assert_eq!(code(Form::Protobuf, &spans), too_large);
        let attributes = export(&within(2, &[0x4a, 0].repeat(rules::MAX_VALUES_PER_REQUEST)));
        assert_eq!(code(Form::Protobuf, &attributes), too_large);
    }

    #[test]
    fn what_a_program_says_of_itself_is_not_copied_without_end() {
        let span = |id: u32| {
            let span = Span::from_file(&crate::traces::value::Value::parse(
                r#"{"span_id": "0000000000000001", "start_time_unix_nano": 1, "name": "s", "parent_span_id": null, "attributes": {}}"#,
            ).unwrap()).unwrap();
            ([vec![1; 12], id.to_be_bytes().to_vec()].concat(), vec![0, 0, 0, 0, 0, 0, 0, 1], vec![], span)
        };
        let large = crate::traces::value::Value::Text("x".repeat(1 << 20));
        let batch = |count: u32| Batch {
            resource: Arc::new(vec![("service.name".into(), large.clone())]),
            spans: (0..count).map(span).collect(),
        };
        assert_eq!(by_trace(vec![batch(10)]).unwrap().len(), 10);
        assert!(by_trace(vec![batch(100)]).is_err());
    }

    #[test]
    fn compressed_exports_are_the_same_exports() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(BODY).unwrap();
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        raw.write_all(BODY).unwrap();
        for (body, encoding) in
            [(BODY.to_vec(), None), (gzip.finish().unwrap(), Some("gzip")), (raw.finish().unwrap(), Some("deflate"))]
        {
            let arrived = spans(read(&body, Form::Json, encoding).unwrap());
            assert_eq!(arrived.len(), 1);
            assert_eq!((arrived[0].spans.len(), arrived[0].spans[0].name.as_str()), (1, "new"));
            assert_eq!(arrived[0].spans[0].parent, None);
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_fills_the_memory() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let zeros = vec![0; 1 << 20];
        for _ in 0..(rules::MAX_UNPACKED_BYTES >> 20) + 1 {
            gzip.write_all(&zeros).unwrap();
        }
        let error = read(&gzip.finish().unwrap(), Form::Protobuf, Some("gzip")).map(|_| ()).unwrap_err();
        assert_eq!(error.code, drydock_wire::ErrorCode::TooLarge);
    }

    #[test]
    fn what_is_no_export_is_said_to_be_none() {
        for (body, form, encoding) in [
            (&b"xx"[..], Form::Json, None),
            (b"", Form::Protobuf, None),
            (b"xx", Form::Protobuf, Some("gzip")),
            (b"", Form::Protobuf, Some("br")),
        ] {
            assert!(matches!(read(body, form, encoding).unwrap(), Outcome::Refused(StatusCode::BAD_REQUEST, _)));
        }
        let no_id =
            br#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "", "spanId": "01", "name": "x"}]}]}]}"#;
        assert!(matches!(
            read(no_id, Form::Json, None).unwrap(),
            Outcome::Refused(StatusCode::UNPROCESSABLE_ENTITY, _)
        ));
    }
}
