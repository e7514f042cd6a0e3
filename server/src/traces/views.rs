//! Traces as the dashboard gets them. Pure.

use std::collections::HashMap;

use drydock_wire::{
    KeyValue,
    traces::{SpanDetail, SpanEvent, SpanLink, SpanSummary, TraceAssessment, TraceRun, TraceSummary},
};

use super::{
    Assessment, Pair, Trace,
    span::{Span, key, span_hex},
    summary::Usage,
    value::Value,
};

/// A trace for a list; `runs` with their names.
pub fn summary(trace: &Trace, experiment_name: String, runs: Vec<TraceRun>) -> TraceSummary {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let name = trace.name.as_ref().or(trace.root_name.as_ref()).filter(|name| !name.is_empty());
    TraceSummary {
        id: trace.trace_id.clone(),
        name: name.unwrap_or(&trace.trace_id).clone(),
        status: trace.state.as_str().trim_start_matches("STATE_").to_lowercase(),
        started_at: trace.started_at,
        duration_ms: trace.duration_ms.map(count),
        experiment_id: trace.experiment_id.to_string(),
        experiment_name,
        runs,
        request: trace.request_preview.clone(),
        response: trace.response_preview.clone(),
        span_count: count(trace.span_count),
        tokens: trace.total_tokens.map(count).filter(|tokens| *tokens > 0),
        assessment_count: trace.assessments.len() as u64,
    }
}

pub fn key_values(pairs: &[Pair]) -> Vec<KeyValue> {
    pairs.iter().map(|(key, value)| KeyValue { key: key.clone(), value: value.clone() }).collect()
}

pub fn assessment(of: &Assessment) -> TraceAssessment {
    TraceAssessment {
        id: of.assessment_id.clone(),
        name: of.name.clone(),
        kind: of.kind.as_str().to_owned(),
        value: of.value.to_json(),
        error: of.error.as_ref().map(|error| error.error_message.clone().unwrap_or_else(|| error.error_code.clone())),
        source_kind: of.source_type.to_lowercase(),
        source: of.source_id.clone(),
        rationale: of.rationale.clone(),
        span_id: of.span_id.clone(),
        valid: of.valid,
        created_at: of.created_at,
    }
}

/// When the first span starts.
pub fn origin_ns(spans: &[Span]) -> i64 {
    spans.iter().map(|span| span.start_ns).min().unwrap_or(0)
}

/// The spans depth first, children in order of their start. Those whose parent is not there count as roots; so does one span
/// of a circle.
pub fn tree(spans: &[Span]) -> Vec<SpanSummary> {
    let origin = origin_ns(spans);
    let places: HashMap<i64, usize> = spans.iter().enumerate().map(|(place, span)| (span.id, place)).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    let mut roots = Vec::new();
    let mut in_order: Vec<usize> = (0..spans.len()).collect();
    in_order.sort_by_key(|place| spans[*place].start_ns);
    for place in &in_order {
        match spans[*place].parent.and_then(|parent| places.get(&parent)) {
            Some(parent) if parent != place => children[*parent].push(*place),
            _ => roots.push(*place),
        }
    }
    let mut seen = vec![false; spans.len()];
    let mut lines = Vec::with_capacity(spans.len());
    for root in roots.into_iter().chain(in_order) {
        let mut waiting = vec![(root, 0)];
        while let Some((place, depth)) = waiting.pop() {
            if std::mem::replace(&mut seen[place], true) {
                continue;
            }
            lines.push(line(&spans[place], origin, depth, children[place].len()));
            waiting.extend(children[place].iter().rev().map(|child| (*child, depth + 1)));
        }
    }
    lines
}

fn line(span: &Span, origin: i64, depth: u32, children: usize) -> SpanSummary {
    let tokens =
        span.attribute(key::USAGE).and_then(Usage::of).map(|usage| usage.total.max(usage.input + usage.output));
    SpanSummary {
        id: span_hex(span.id),
        name: span.name.clone(),
        kind: span.kind().to_owned(),
        status: span.status.word().to_lowercase(),
        depth,
        children: u32::try_from(children).unwrap_or(u32::MAX),
        start_us: micros(span.start_ns - origin),
        duration_us: span.end_ns.map(|end| micros(end - span.start_ns)),
        tokens: tokens.and_then(|tokens| u64::try_from(tokens).ok()).filter(|tokens| *tokens > 0),
    }
}

fn micros(ns: i64) -> u64 {
    u64::try_from(ns / 1000).unwrap_or(0)
}

/// A span with its content.
pub fn detail(span: &Span, origin: i64) -> SpanDetail {
    let hidden = [key::INPUTS, key::OUTPUTS, key::REQUEST_ID];
    let json = |name: &str| span.attribute(name).map(Value::to_json);
    let pairs = |all: &[(String, Value)]| -> Vec<KeyValue> {
        all.iter().map(|(key, value)| KeyValue { key: key.clone(), value: value.to_json() }).collect()
    };
    let attributes: Vec<(String, Value)> =
        span.attributes.iter().filter(|(name, _)| !hidden.contains(&name.as_str())).cloned().collect();
    SpanDetail {
        id: span_hex(span.id),
        name: span.name.clone(),
        kind: span.kind().to_owned(),
        status: span.status.word().to_lowercase(),
        message: span.message.clone(),
        start_us: micros(span.start_ns - origin),
        duration_us: span.end_ns.map(|end| micros(end - span.start_ns)),
        inputs: json(key::INPUTS),
        outputs: json(key::OUTPUTS),
        attributes: pairs(&attributes),
        events: span
            .events
            .iter()
            .map(|event| SpanEvent {
                name: event.name.clone(),
                at_us: (event.at_ns - origin) / 1000,
                attributes: pairs(&event.attributes),
            })
            .collect(),
        links: span
            .links
            .iter()
            .map(|link| SpanLink { trace_id: format!("tr-{}", link.trace), span_id: link.span.clone() })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traces::summary::tests::span;

    #[test]
    fn the_tree_is_read_from_top_to_bottom() {
        let mut late = span(3, Some(1), &[]);
        late.start_ns += 5_000_000;
        let spans = [span(1, None, &[]), late, span(2, Some(1), &[]), span(4, Some(3), &[]), span(5, Some(99), &[])];
        let lines: Vec<(String, u32)> = tree(&spans).into_iter().map(|line| (line.name, line.depth)).collect();
        let expected = [("s1", 0), ("s2", 1), ("s3", 1), ("s4", 2), ("s5", 0)];
        assert_eq!(lines, expected.map(|(name, depth)| (name.to_owned(), depth)));
    }

    #[test]
    fn a_circle_of_parents_is_shown_once_and_ends() {
        let spans = [span(1, Some(2), &[]), span(2, Some(1), &[]), span(3, Some(3), &[])];
        assert_eq!(tree(&spans).len(), 3);
    }
}
