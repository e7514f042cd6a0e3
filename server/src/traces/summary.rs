//! What a trace's spans say about the trace: when, how long, how it ended, what went in and out, how many tokens. Pure.

use std::{collections::HashMap, sync::Arc};

use super::{
    State,
    preview::preview,
    rules,
    span::{Attributes, Span, Status, key},
    value::{Value, python_json},
};

/// Spans of one trace that came together.
#[derive(Debug, Clone, Default)]
pub struct Arrived {
    /// Sixteen bytes.
    pub otel_id: Vec<u8>,
    pub spans: Vec<Span>,
    /// Of the program that sent them; its traces share it.
    pub resource: Arc<Attributes>,
}

/// What they say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    pub started_at: i64,
    pub ended_at: Option<i64>,
    /// Of the root span, if it is among them.
    pub state: Option<State>,
    pub root_name: Option<String>,
    pub request_preview: Option<String>,
    pub response_preview: Option<String>,
    pub session: Option<String>,
    pub user: Option<String>,
    pub tags: Vec<(String, String)>,
}

/// Sums up what a batch says. There is at least one span.
pub fn summarize(arrived: &Arrived) -> Summary {
    let spans = &arrived.spans;
    let ms = |ns: i64| ns.div_euclid(1_000_000);
    let root = spans.iter().find(|span| span.parent.is_none());
    let text = |names: &[&str]| {
        let found = spans.iter().find_map(|span| names.iter().find_map(|name| span.attribute(name)));
        found.map(Value::plain).filter(|text| !text.is_empty())
    };
    Summary {
        started_at: ms(spans.iter().map(|span| span.start_ns).min().unwrap_or(0)),
        ended_at: spans.iter().filter_map(|span| span.end_ns).max().map(ms),
        state: root.map(|root| if root.status == Status::Error { State::Error } else { State::Ok }),
        root_name: root.map(|root| root.name.clone()),
        request_preview: root.and_then(|root| root.attribute(key::INPUTS)).map(|value| preview(value, "user")),
        response_preview: root.and_then(|root| root.attribute(key::OUTPUTS)).map(|value| preview(value, "assistant")),
        session: text(&["session.id", "gen_ai.conversation.id"]),
        user: text(&["user.id"]),
        tags: tags(&arrived.resource, root),
    }
}

/// Tags from the sending program's attributes, then those the root span carries for the trace. What is no valid tag is left out.
fn tags(resource: &Attributes, root: Option<&Span>) -> Vec<(String, String)> {
    let of_program = resource
        .iter()
        .filter(|(name, _)| !name.starts_with("telemetry.sdk.") && !name.starts_with("mlflow."))
        .map(|(name, value)| (name.clone(), value.plain()));
    let of_root = root.into_iter().flat_map(|root| &root.attributes).filter_map(|(name, value)| {
        name.strip_prefix(key::TRACE_TAG_PREFIX).map(|name| (name.to_owned(), value.plain()))
    });
    let valid = |(name, value): (String, String)| rules::tag(name, value).ok();
    of_program.chain(of_root).filter_map(valid).collect()
}

/// Tokens that a trace used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub input: i64,
    pub output: i64,
    pub total: i64,
    pub cache_read: Option<i64>,
    pub cache_creation: Option<i64>,
}

impl Usage {
    /// Reads MLflow's JSON.
    pub fn of(value: &Value) -> Option<Self> {
        let get = |name: &str| value.get(name).and_then(Value::as_int);
        let all = [get("input_tokens"), get("output_tokens"), get("total_tokens")];
        all.iter().any(Option::is_some).then(|| Self {
            input: all[0].unwrap_or(0),
            output: all[1].unwrap_or(0),
            total: all[2].unwrap_or(0),
            cache_read: get("cache_read_input_tokens"),
            cache_creation: get("cache_creation_input_tokens"),
        })
    }

    /// As the trace's metadata has it.
    pub fn to_json(self) -> String {
        let mut pairs =
            vec![("input_tokens", self.input), ("output_tokens", self.output), ("total_tokens", self.total)];
        pairs.extend(self.cache_read.map(|count| ("cache_read_input_tokens", count)));
        pairs.extend(self.cache_creation.map(|count| ("cache_creation_input_tokens", count)));
        let map = pairs.into_iter().map(|(name, count)| (name.to_owned(), Value::Int(count))).collect();
        python_json(&Value::Map(map))
    }

    fn add(&mut self, other: Self) {
        let sum = |a: Option<i64>, b: Option<i64>| match (a, b) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        };
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.total = self.total.saturating_add(other.total);
        self.cache_read = sum(self.cache_read, other.cache_read);
        self.cache_creation = sum(self.cache_creation, other.cache_creation);
    }
}

/// Costs of a span or a trace, in dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    pub input: f64,
    pub output: f64,
    pub total: f64,
}

impl Cost {
    pub fn of(value: &Value) -> Option<Self> {
        let get = |name: &str| value.get(name).and_then(Value::as_float);
        let all = [get("input_cost"), get("output_cost"), get("total_cost")];
        all.iter().any(Option::is_some).then(|| Self {
            input: all[0].unwrap_or(0.0),
            output: all[1].unwrap_or(0.0),
            total: all[2].unwrap_or(0.0),
        })
    }

    pub fn to_json(self) -> String {
        let pairs = [("input_cost", self.input), ("output_cost", self.output), ("total_cost", self.total)];
        python_json(&Value::Map(pairs.map(|(name, cost)| (name.to_owned(), Value::Double(cost))).into()))
    }
}

/// What a span says that it used and cost, and where in the tree it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    pub id: i64,
    pub parent: Option<i64>,
    pub usage: Option<Usage>,
    pub cost: Option<Cost>,
}

impl Figures {
    pub fn of(span: &Span) -> Self {
        Self {
            id: span.id,
            parent: span.parent,
            usage: span.attribute(key::USAGE).and_then(Usage::of),
            cost: span.attribute(key::COST).and_then(Cost::of),
        }
    }
}

/// The sum over a trace's spans. A span that says a figure speaks for those below it: some libraries write the sum of the
/// children on the parent, and counting both would double it.
pub fn usage(spans: &[Figures]) -> Option<Usage> {
    let found = speaking(spans, |span| span.usage);
    let mut sum = Usage::default();
    found.iter().for_each(|usage| sum.add(*usage));
    (!found.is_empty()).then_some(sum)
}

/// As `usage`, of costs.
pub fn cost(spans: &[Figures]) -> Option<Cost> {
    let found = speaking(spans, |span| span.cost);
    (!found.is_empty()).then(|| Cost {
        input: found.iter().map(|cost| cost.input).sum(),
        output: found.iter().map(|cost| cost.output).sum(),
        total: found.iter().map(|cost| cost.total).sum(),
    })
}

/// The figures of the spans that have one and no ancestor that has one.
fn speaking<T>(spans: &[Figures], read: impl Fn(&Figures) -> Option<T>) -> Vec<T> {
    let mut children: HashMap<i64, Vec<&Figures>> = HashMap::new();
    let ids: std::collections::HashSet<i64> = spans.iter().map(|span| span.id).collect();
    let mut waiting: Vec<&Figures> = Vec::new();
    for span in spans {
        match span.parent.filter(|parent| ids.contains(parent)) {
            Some(parent) => children.entry(parent).or_default().push(span),
            None => waiting.push(span),
        }
    }
    let mut found = Vec::new();
    while let Some(span) = waiting.pop() {
        match read(span) {
            Some(figure) => found.push(figure),
            None => waiting.extend(children.remove(&span.id).unwrap_or_default()),
        }
    }
    found
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A span of 10 to 20 ms.
    pub fn span(id: i64, parent: Option<i64>, attributes: &[(&str, &str)]) -> Span {
        let attributes =
            attributes.iter().map(|(key, json)| ((*key).to_owned(), Value::parse(json).unwrap())).collect();
        Span {
            id,
            parent,
            name: format!("s{id}"),
            start_ns: 10_000_000,
            end_ns: Some(20_000_000),
            status: Status::Ok,
            message: String::new(),
            attributes,
            events: vec![],
            links: vec![],
        }
    }

    fn usage_of(spans: &[Span]) -> Option<Usage> {
        usage(&spans.iter().map(Figures::of).collect::<Vec<_>>())
    }

    fn used(input: i64) -> String {
        format!(r#"{{"input_tokens": {input}, "output_tokens": 1}}"#)
    }

    #[test]
    fn a_parents_tokens_speak_for_its_children() {
        let spans = [
            span(1, None, &[]),
            span(2, Some(1), &[(key::USAGE, &used(10))]),
            span(3, Some(2), &[(key::USAGE, &used(10))]),
            span(4, Some(1), &[(key::USAGE, &used(5))]),
            span(5, Some(99), &[(key::USAGE, &used(1))]),
        ];
        let sum = usage_of(&spans).unwrap();
        assert_eq!((sum.input, sum.output, sum.total), (16, 3, 0));
        assert_eq!(usage_of(&spans[..1]), None);
        assert_eq!(sum.to_json(), r#"{"input_tokens": 16, "output_tokens": 3, "total_tokens": 0}"#);
    }

    #[test]
    fn spans_that_are_each_others_parents_end_the_search() {
        assert_eq!(usage_of(&[span(1, Some(2), &[]), span(2, Some(1), &[(key::USAGE, &used(1))])]), None);
    }

    #[test]
    fn the_root_says_how_it_ended_and_what_went_in() {
        let mut root = span(1, None, &[(key::INPUTS, r#"{"x": 1}"#), ("mlflow.traceTag.team", r#""a""#)]);
        root.status = Status::Error;
        let arrived = Arrived {
            otel_id: vec![0; 16],
            spans: vec![span(2, Some(1), &[("session.id", r#""se""#)]), root],
            resource: Arc::new(vec![
                ("service.name".into(), Value::Text("svc".into())),
                ("telemetry.sdk.name".into(), Value::Text("x".into())),
                ("a//b".into(), Value::Text("no valid name".into())),
            ]),
        };
        let summary = summarize(&arrived);
        assert_eq!((summary.started_at, summary.ended_at, summary.state), (10, Some(20), Some(State::Error)));
        assert_eq!(summary.request_preview.as_deref(), Some(r#"{"x": 1}"#));
        assert_eq!(summary.session.as_deref(), Some("se"));
        let tags: Vec<&str> = summary.tags.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(tags, ["service.name", "team"]);
    }
}
