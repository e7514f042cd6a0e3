//! What other conventions call a span's inputs, outputs, tokens, type and model, said in MLflow's words as well, so that a
//! trace of any OpenTelemetry instrumentation is searched, counted and shown like MLflow's own. The original attributes stay.

use super::{
    span::{Span, UNKNOWN_TYPE, key},
    value::Value,
};

/// Names that one convention has.
struct Convention {
    kind: &'static str,
    /// The convention's word for a type, and MLflow's.
    kinds: &'static [(&'static str, &'static str)],
    inputs: &'static [&'static str],
    outputs: &'static [&'static str],
    model: &'static [&'static str],
    provider: &'static str,
    input_tokens: &'static str,
    output_tokens: &'static str,
    total_tokens: &'static str,
    cache_read_tokens: &'static [&'static str],
    cache_creation_tokens: &'static [&'static str],
}

const CONVENTIONS: [Convention; 3] = [OPEN_INFERENCE, GEN_AI, TRACELOOP];

const OPEN_INFERENCE: Convention = Convention {
    kind: "openinference.span.kind",
    kinds: &[
        ("TOOL", "TOOL"),
        ("CHAIN", "CHAIN"),
        ("LLM", "LLM"),
        ("RETRIEVER", "RETRIEVER"),
        ("EMBEDDING", "EMBEDDING"),
        ("AGENT", "AGENT"),
        ("RERANKER", "RERANKER"),
        ("GUARDRAIL", "GUARDRAIL"),
        ("EVALUATOR", "EVALUATOR"),
    ],
    inputs: &["input.value"],
    outputs: &["output.value"],
    model: &["llm.response.model_name", "llm.model_name", "llm.request.model_name", "embedding.model_name"],
    provider: "llm.provider",
    input_tokens: "llm.token_count.prompt",
    output_tokens: "llm.token_count.completion",
    total_tokens: "llm.token_count.total",
    cache_read_tokens: &["llm.token_count.prompt_details.cache_read"],
    cache_creation_tokens: &["llm.token_count.prompt_details.cache_write"],
};

/// OpenTelemetry's own semantic conventions for generative AI.
const GEN_AI: Convention = Convention {
    kind: "gen_ai.operation.name",
    kinds: &[
        ("chat", "CHAT_MODEL"),
        ("create_agent", "AGENT"),
        ("embeddings", "EMBEDDING"),
        ("execute_tool", "TOOL"),
        ("generate_content", "LLM"),
        ("invoke_agent", "AGENT"),
        ("text_completion", "LLM"),
        ("response", "LLM"),
    ],
    inputs: &["gen_ai.input.messages", "gen_ai.tool.call.arguments"],
    outputs: &["gen_ai.output.messages", "gen_ai.tool.call.result"],
    model: &["gen_ai.response.model", "gen_ai.request.model"],
    provider: "gen_ai.provider.name",
    input_tokens: "gen_ai.usage.input_tokens",
    output_tokens: "gen_ai.usage.output_tokens",
    total_tokens: "",
    cache_read_tokens: &["gen_ai.usage.cache_read.input_tokens"],
    cache_creation_tokens: &["gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens"],
};

const TRACELOOP: Convention = Convention {
    kind: "traceloop.span.kind",
    kinds: &[("workflow", "WORKFLOW"), ("task", "TASK"), ("agent", "AGENT"), ("tool", "TOOL")],
    inputs: &["traceloop.entity.input", "gen_ai.prompt.0.content"],
    outputs: &["traceloop.entity.output", "gen_ai.completion.0.content"],
    model: &[],
    provider: "gen_ai.system",
    input_tokens: "gen_ai.usage.prompt_tokens",
    output_tokens: "gen_ai.usage.completion_tokens",
    total_tokens: "llm.usage.total_tokens",
    cache_read_tokens: &[],
    cache_creation_tokens: &[],
};

/// Picks a convention's names for one thing.
type NamesOf = fn(&Convention) -> &[&'static str];

/// Makes a span that came over the wire MLflow's.
pub fn translate(span: &mut Span) {
    unwrap_doubly_encoded(span);
    complete(span);
}

/// Adds MLflow's attributes where they are missing and another convention has the like.
pub fn complete(span: &mut Span) {
    if span.kind() == UNKNOWN_TYPE
        && let Some(kind) = CONVENTIONS.iter().find_map(|convention| kind(span, convention))
    {
        span.set_attribute(key::TYPE, Value::Text(kind.into()));
    }
    let copies: [(&str, NamesOf); 3] =
        [(key::INPUTS, |c| c.inputs), (key::OUTPUTS, |c| c.outputs), (key::MODEL, |c| c.model)];
    for (target, names) in copies {
        copy(span, target, CONVENTIONS.iter().flat_map(|convention| names(convention).iter().copied()));
    }
    copy(span, key::PROVIDER, CONVENTIONS.iter().map(|convention| convention.provider));
    if span.attribute(key::USAGE).is_none()
        && let Some(usage) = CONVENTIONS.iter().find_map(|convention| usage(span, convention))
    {
        span.set_attribute(key::USAGE, usage);
    }
}

/// Plain OpenTelemetry has no nested values: MLflow's own exporters send inputs, outputs and the like as JSON in a text.
fn unwrap_doubly_encoded(span: &mut Span) {
    for (name, value) in &mut span.attributes {
        if !name.starts_with("mlflow.") || name.starts_with(key::TRACE_TAG_PREFIX) {
            continue;
        }
        if let Some(inner @ (Value::Text(_) | Value::List(_) | Value::Map(_))) = value.as_text().and_then(Value::parse)
        {
            *value = inner;
        }
    }
}

fn kind(span: &Span, convention: &Convention) -> Option<&'static str> {
    let word = span.attribute(convention.kind)?.as_text()?;
    convention.kinds.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours)
}

fn copy<'a>(span: &mut Span, target: &str, mut names: impl Iterator<Item = &'a str>) {
    if span.attribute(target).is_some() {
        return;
    }
    let found = names.find_map(|name| span.attribute(name).filter(|value| **value != Value::Null).cloned());
    if let Some(value) = found {
        // A value that is JSON in a text is shown as what it says.
        let structured = value.as_text().and_then(Value::parse).filter(|v| matches!(v, Value::List(_) | Value::Map(_)));
        span.set_attribute(target, structured.unwrap_or(value));
    }
}

fn usage(span: &Span, convention: &Convention) -> Option<Value> {
    let number = |name: &str| span.attribute(name).and_then(Value::as_int);
    let first = |names: &[&str]| names.iter().find_map(|name| number(name));
    let (input, output) = (number(convention.input_tokens), number(convention.output_tokens));
    let total = number(convention.total_tokens).or_else(|| Some(input?.saturating_add(output?)));
    if input.is_none() && output.is_none() && total.is_none() {
        return None;
    }
    let all = [
        ("input_tokens", input),
        ("output_tokens", output),
        ("total_tokens", total),
        ("cache_read_input_tokens", first(convention.cache_read_tokens)),
        ("cache_creation_input_tokens", first(convention.cache_creation_tokens)),
    ];
    let known = all.into_iter().filter_map(|(name, number)| Some((name.to_owned(), Value::Int(number?))));
    Some(Value::Map(known.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traces::span::Status;

    fn translated(attributes: &[(&str, Value)]) -> Span {
        let mut span = Span {
            id: 1,
            parent: None,
            name: "s".into(),
            start_ns: 0,
            end_ns: None,
            status: Status::Unset,
            message: String::new(),
            attributes: attributes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
            events: vec![],
            links: vec![],
        };
        translate(&mut span);
        span
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn opentelemetrys_own_words_become_mlflows() {
        let span = translated(&[
            ("gen_ai.operation.name", text("chat")),
            ("gen_ai.request.model", text("m-1")),
            ("gen_ai.usage.input_tokens", Value::Int(3)),
            ("gen_ai.usage.output_tokens", text("4")),
            ("gen_ai.input.messages", text(r#"[{"role": "user"}]"#)),
        ]);
        assert_eq!(span.kind(), "CHAT_MODEL");
        assert_eq!(span.attribute(key::MODEL), Some(&text("m-1")));
        let usage = span.attribute(key::USAGE).map(Value::to_json);
        assert_eq!(usage.as_deref(), Some(r#"{"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}"#));
        assert!(matches!(span.attribute(key::INPUTS), Some(Value::List(_))));
        assert_eq!(span.attribute("gen_ai.request.model"), Some(&text("m-1")));
    }

    #[test]
    fn what_mlflow_said_itself_is_kept() {
        let span = translated(&[
            (key::TYPE, text("TOOL")),
            ("openinference.span.kind", text("LLM")),
            (key::INPUTS, text(r#"{"x": 1}"#)),
            ("input.value", text("other")),
        ]);
        assert_eq!(span.kind(), "TOOL");
        assert_eq!(span.attribute(key::INPUTS).map(Value::to_json).as_deref(), Some(r#"{"x": 1}"#));
    }
}
