//! What is thrown at the parsers that read strangers' texts: MLflow's filters and orders, its JSON bodies, its GraphQL, tensors. Each
//! function takes bytes and panics when a promise is broken; `tests/fuzz` gives it libFuzzer's bytes, `tests/tests/fuzz.rs` those of
//! a seeded generator, so that both ways run the same code.

use drydock::{
    registry::mlflow::graphql,
    serving::v2::{self, Signature},
    traces::otlp,
    tracking::{
        mlflow::Args,
        search::{self, Condition, Entity, Grammar, Operand, sql},
    },
};

/// A name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 15] = [
    ("run_filters", |data| filter(data, &search::RUNS)),
    ("experiment_filters", |data| filter(data, &search::EXPERIMENTS)),
    ("logged_model_filters", |data| filter(data, &search::LOGGED_MODELS)),
    ("registered_model_filters", |data| filter(data, &search::REGISTERED_MODELS)),
    ("model_version_filters", |data| filter(data, &search::MODEL_VERSIONS)),
    ("trace_filters", traces),
    ("bodies", bodies),
    ("otlp_json", |data| export(data, true)),
    ("otlp_protobuf", |data| export(data, false)),
    ("pipeline_conditions", |data| pipeline(&condition(data))),
    ("pipeline_documents", |data| pipeline(&String::from_utf8_lossy(data))),
    ("v2_requests", v2_requests),
    ("v2_predictions", v2_predictions),
    ("v2_invocations", v2_invocations),
    ("graphql_documents", |data| drop(graphql::read_document(&String::from_utf8_lossy(data)))),
];

/// A pipeline with this condition.
fn condition(data: &[u8]) -> String {
    let text = serde_json::Value::from(String::from_utf8_lossy(data));
    format!("name: x\nparameters: {{ n: 1 }}\ntasks:\n  t: {{ when: {text}, approval: {{}} }}\n")
}

/// A pipeline's YAML is read or its faults are told, each with words and with a line that is there.
fn pipeline(yaml: &str) {
    let lines = yaml.lines().count() + 1;
    for problem in drydock::pipelines::check(yaml).problems {
        assert!(!problem.message.is_empty(), "{yaml:?}");
        assert!(problem.line.is_none_or(|line| (1..=lines).contains(&(line as usize))), "{yaml:?}: {problem:?}");
    }
}

/// A filter is read or refused with a text. What was read says the same when it is written out again, stands where it says, and
/// reaches SQL as bound values alone.
pub fn filter(data: &[u8], grammar: &Grammar) {
    let text = String::from_utf8_lossy(data);
    let _ = search::parse_order_by(&[text.clone().into_owned()], grammar);
    let _ = search::page_offset(Some(&text));
    let conditions = match search::parse(&text, grammar) {
        Ok(conditions) => conditions,
        Err(error) => {
            assert_eq!(error.code.http_status(), 400, "{text:?}: {error}");
            assert!(!error.message.is_empty());
            return;
        }
    };
    let length = text.chars().count();
    for condition in &conditions {
        assert!((1..=length).contains(&condition.at), "{text:?}: at {}", condition.at);
        check_sql(condition);
    }
    let written = written(&conditions);
    let again = search::parse(&written, grammar).unwrap_or_else(|error| panic!("{text:?} as {written:?}: {error}"));
    let plain = |all: Vec<Condition>| all.into_iter().map(|one| Condition { at: 0, ..one }).collect::<Vec<_>>();
    assert_eq!(plain(conditions), plain(again), "{text:?} as {written:?}");
}

/// A filter over traces is read or refused with a text; its keys have other names inside.
fn traces(data: &[u8]) {
    if let Err(error) = search::parse_traces(&String::from_utf8_lossy(data)) {
        assert_eq!(error.code.http_status(), 400, "{error}");
    }
}

fn check_sql(condition: &Condition) {
    if condition.op.is_null_test() {
        return;
    }
    let piece = sql::compare("c", condition.op, &condition.value);
    assert_eq!(piece.sql.matches('?').count(), piece.binds.len(), "{condition:?}");
    let plain = |c: char| c.is_ascii_alphabetic() || " ?=!<>()_".contains(c);
    assert!(piece.sql.chars().all(plain), "{condition:?}: {}", piece.sql);
}

/// The conditions as a filter, everything quoted.
pub fn written(conditions: &[Condition]) -> String {
    conditions.iter().map(one).collect::<Vec<_>>().join(" AND ")
}

fn one(condition: &Condition) -> String {
    let prefix = match condition.entity {
        Entity::Attribute => "attribute",
        Entity::Metric => "metrics",
        Entity::Param => "params",
        Entity::Tag => "tags",
        Entity::Dataset => "dataset",
        other => other.word(),
    };
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let value = match &condition.value {
        Operand::Text(text) => quoted(text),
        Operand::Integer(value) => value.to_string(),
        Operand::Float(value) => format!("{value:?}"),
        Operand::List(items) => format!("({})", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", ")),
        Operand::Nothing => String::new(),
    };
    format!("{prefix}.\"{}\" {} {value}", condition.key.replace('"', "\"\""), condition.op.text())
}

/// A model with a column of each kind that has a form of its own.
const MLMODEL: &str = r#"signature:
  inputs: '[{"type": "double", "name": "a", "required": true}, {"type": "string", "name": "b", "required": false},
    {"type": "array", "items": {"type": "long"}, "name": "c", "required": false},
    {"type": "binary", "name": "d", "required": false}]'
"#;

/// A request is refused with a text, or has as many values as its shapes say, comes back the same in binary, and makes a body of
/// `/invocations` or a refusal. What follows a line break is binary.
fn v2_requests(data: &[u8]) {
    let head = data.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
    let request = match v2::read_request(data, head) {
        Ok(request) => request,
        Err(fault) => return assert!(!fault.0.is_empty()),
    };
    for input in &request.inputs {
        assert_eq!(input.values.len(), input.shape.iter().product::<usize>(), "{input:?}");
    }
    let all = v2::Request { outputs: None, binary: true, ..request.clone() };
    let answer =
        v2::answer(&all, "m", 1, &request.inputs).unwrap_or_else(|fault| panic!("binary carries everything: {fault}"));
    assert!(answer.header_length.is_some_and(|length| length <= answer.body.len()));
    let signature = Signature::read(MLMODEL).unwrap_or_else(|fault| panic!("{fault}"));
    for known in [&signature, &Signature::default()] {
        match v2::invocation(&request, known) {
            Ok(body) => {
                let again = v2::v2_of_invocation(&body, &v2::Schema::default());
                assert!(again.map_or_else(|fault| !fault.0.is_empty(), |_| true));
            }
            Err(fault) => assert!(!fault.0.is_empty()),
        }
    }
}

/// A model's answer is refused, or every output has as many values as its shape says.
fn v2_predictions(data: &[u8]) {
    let signature = Signature::read(MLMODEL).unwrap_or_else(|fault| panic!("{fault}"));
    for known in [&signature, &Signature::default()] {
        for output in v2::tensors_of_predictions(data, known).unwrap_or_default() {
            assert_eq!(output.values.len(), output.shape.iter().product::<usize>(), "{output:?}");
        }
        let _ = v2::predictions_of_v2(data, known);
    }
    let _ = v2::Schema::of_server(data, &signature);
    let _ = Signature::read(&String::from_utf8_lossy(data));
}

/// A body of `/invocations` is refused with a text, or becomes a request that V2's own reader takes: for a server that says nothing of
/// its inputs, one that has the signature's, one that takes a matrix.
fn v2_invocations(data: &[u8]) {
    let signature = Signature::read(MLMODEL).unwrap_or_else(|fault| panic!("{fault}"));
    let matrix = br#"{"inputs":[{"name":"x","datatype":"FP64","shape":[-1,-1]}]}"#;
    let of = |metadata: &[u8], signature: &Signature| {
        v2::Schema::of_server(metadata, signature).unwrap_or_else(|fault| panic!("{fault}"))
    };
    for schema in [v2::Schema::default(), of(b"{}", &signature), of(matrix, &Signature::default())] {
        for made in [v2::v2_of_invocation(data, &schema), v2::v2_of_csv(data, &schema)] {
            match made {
                Ok(made) => drop(v2::read_request(&made, None).unwrap_or_else(|fault| panic!("{fault}"))),
                Err(fault) => assert!(!fault.0.is_empty()),
            }
        }
    }
}

/// An export is refused, or every span of it can be read again from what is kept of it.
fn export(data: &[u8], is_json: bool) {
    if let Some((arrived, again)) = otlp::read_export(data, is_json) {
        assert_eq!(arrived, again, "spans that are lost once they are kept");
    }
}

/// A body is read or refused, whatever is asked of it, and what is asked twice is answered the same.
pub fn bodies(data: &[u8]) {
    let Ok(args) = Args::from_body(Some("application/json"), true, data) else { return };
    for field in
        ["run_id", "name", "key", "value", "timestamp", "step", "metrics", "params", "tags", "max_results", "order_by"]
    {
        let _ = (args.text(field), args.required(field), args.filled(field), args.list(field), args.texts(field));
        let _ = (args.pairs(field), args.experiment_ids(field), args.stage(field), args.flag(field));
        if let (Ok(Some(int)), Ok(Some(float))) = (args.int(field), args.float(field)) {
            assert!((int as f64 - float).abs() <= float.abs() * 1e-9 + 1.0, "{field}: {int} and {float}");
        }
        assert_eq!(format!("{:?}", args.text(field)), format!("{:?}", args.text(field)));
    }
    let _ = (args.run_id(), args.experiment_id());
}
