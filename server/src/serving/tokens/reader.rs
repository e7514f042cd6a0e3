//! Reads what an answer says of its tokens while it passes: `usage` in JSON, in the last part of a stream where the caller asked for it;
//! else the parts of the stream that bring something.

use drydock_wire::serving::TokenCounts;
use serde_json::Value;

use super::json::UsageFinder;

/// A longer line of a stream is not looked at; it passes all the same.
const LONGEST_LINE: usize = 1 << 20;

/// Reads one answer.
#[derive(Debug)]
pub struct Reader {
    form: Form,
    usage: Usage,
    /// Parts of the stream that brought something.
    parts: u64,
}

#[derive(Debug)]
enum Form {
    Json(UsageFinder),
    /// The line that is being read.
    Events(Vec<u8>),
}

/// The server's own count; absent where it said nothing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Usage {
    prompt: Option<u64>,
    completion: Option<u64>,
}

impl Reader {
    /// For an answer of that content type; absent where it has no tokens to be read.
    pub fn of(content_type: &str) -> Option<Self> {
        let form = match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/json" => Form::Json(UsageFinder::default()),
            "text/event-stream" => Form::Events(Vec::new()),
            _ => return None,
        };
        Some(Self { form, usage: Usage::default(), parts: 0 })
    }

    /// Takes the next bytes of the answer in.
    pub fn see(&mut self, bytes: &[u8]) {
        match &mut self.form {
            Form::Json(finder) => finder.see(bytes),
            Form::Events(line) => {
                let mut rest = bytes;
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    if line.len() + end <= LONGEST_LINE {
                        line.extend_from_slice(&rest[..end]);
                        read_line(line, &mut self.usage, &mut self.parts);
                    }
                    line.clear();
                    rest = &rest[end + 1..];
                }
                if line.len() + rest.len() <= LONGEST_LINE {
                    line.extend_from_slice(rest);
                } else {
                    // so that the rest of this line is too long as well
                    line.resize(LONGEST_LINE + 1, 0);
                }
            }
        }
    }

    /// Whether a stream has brought something already.
    pub fn has_begun(&self) -> bool {
        self.parts > 0
    }

    /// What was counted so far; absent where nothing was.
    pub fn counts(&self) -> Option<TokenCounts> {
        let mut usage = self.usage;
        if let Form::Json(finder) = &self.form
            && let Some(value) = finder.found().and_then(|text| serde_json::from_slice(text).ok())
        {
            usage.take_in(&value);
        }
        if usage != Usage::default() {
            let (prompt, completion) = (usage.prompt.unwrap_or_default(), usage.completion.unwrap_or_default());
            return Some(TokenCounts { answers: 1, prompt, completion, estimated: 0 });
        }
        (self.parts > 0).then(|| TokenCounts { answers: 1, estimated: self.parts, ..TokenCounts::default() })
    }
}

/// A line of a stream of events.
fn read_line(line: &[u8], usage: &mut Usage, parts: &mut u64) {
    let Some(data) = line.strip_prefix(b"data:") else { return };
    let Ok(event) = serde_json::from_slice::<Value>(data.trim_ascii()) else { return };
    // chat and completions, responses, messages
    for value in [&event["usage"], &event["response"]["usage"], &event["message"]["usage"]] {
        usage.take_in(value);
    }
    *parts += u64::from(brings_something(&event));
}

fn brings_something(event: &Value) -> bool {
    if let Some(kind) = event["type"].as_str() {
        return kind == "content_block_delta" || (kind.starts_with("response.") && kind.ends_with(".delta"));
    }
    let has_text = |value: &Value| match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    let brings = |choice: &Value| {
        let delta = &choice["delta"];
        let said = ["content", "reasoning_content", "reasoning", "refusal", "tool_calls"];
        has_text(&choice["text"]) || said.iter().any(|name| has_text(&delta[*name]))
    };
    event["choices"].as_array().is_some_and(|choices| choices.iter().any(brings))
}

impl Usage {
    /// Later counts are of the whole answer, too, so the larger one is right.
    fn take_in(&mut self, value: &Value) {
        let count = |names: [&str; 2]| names.iter().find_map(|name| value[*name].as_u64());
        self.prompt = self.prompt.max(count(["prompt_tokens", "input_tokens"]));
        self.completion = self.completion.max(count(["completion_tokens", "output_tokens"]));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn counts(content_type: &str, text: &str, size: usize) -> Option<TokenCounts> {
        let mut reader = Reader::of(content_type).unwrap();
        text.as_bytes().chunks(size).for_each(|part| reader.see(part));
        reader.counts()
    }

    fn counted(prompt: u64, completion: u64, estimated: u64) -> Option<TokenCounts> {
        Some(TokenCounts { answers: 1, prompt, completion, estimated })
    }

    const CHUNKS: &str = concat!(
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\r\n\r\n",
        ": a comment\n\n",
        "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"b\"}}]}\n\n",
        "data: {\"choices\":[{\"text\":\"c\"}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    );

    #[test]
    fn a_streams_own_count_is_taken_and_else_its_parts_are_an_estimate() {
        let last = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":4,\"total_tokens\":11}}\n\ndata: [DONE]\n\n";
        for size in [1, 7, 1000] {
            assert_eq!(counts("text/event-stream; charset=utf-8", &format!("{CHUNKS}{last}"), size), counted(7, 4, 0));
            assert_eq!(counts("text/event-stream", &format!("{CHUNKS}data: [DONE]\n\n"), size), counted(0, 0, 3));
        }
        assert_eq!(counts("text/event-stream", "data: {\"error\": \"full\"}\n\n", 5), None);
        let responses = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\n\
            data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n";
        assert_eq!(counts("text/event-stream", responses, 9), counted(5, 1, 0));
        let messages = "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n\
            data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"x\"}}\n\n\
            data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":9}}\n\n";
        assert_eq!(counts("text/event-stream", messages, 9), counted(5, 9, 0));
    }

    #[test]
    fn json_says_it_itself_or_nothing_is_counted() {
        let json = |text: &str| counts("application/json", text, 11);
        assert_eq!(json(r#"{"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#), counted(3, 2, 0));
        assert_eq!(json(r#"{"data":[],"usage":{"prompt_tokens":3,"total_tokens":3}}"#), counted(3, 0, 0));
        for none in
            [r#"{"object":"list","data":[]}"#, r#"{"usage":null}"#, r#"{"usage":{"prompt_tokens":-1}}"#, "[1", ""]
        {
            assert_eq!(json(none), None, "{none}");
        }
        assert!(Reader::of("text/plain").is_none() && Reader::of("").is_none());
    }

    #[test]
    fn a_line_that_does_not_end_costs_no_more_than_its_limit() {
        let mut reader = Reader::of("text/event-stream").unwrap();
        reader.see(b"data: ");
        (0..40).for_each(|_| reader.see(&vec![b'x'; 100_000]));
        let Form::Events(line) = &reader.form else { panic!("no stream") };
        assert!(line.len() <= LONGEST_LINE + 1);
        reader.see(b"\ndata: {\"choices\":[{\"text\":\"c\"}]}\n");
        assert_eq!((reader.counts(), reader.has_begun()), (counted(0, 0, 1), true));
    }
}
