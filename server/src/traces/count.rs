//! How much is in a message, counted from its bytes alone: a value takes tens of bytes once it is read and as few as two on the
//! wire, so what is read is bounded before it is read. Pure.

use prost::{
    bytes::Buf,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};

/// What an export holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub spans: usize,
    /// Messages of any kind, spans among them.
    pub values: usize,
}

/// At least as many values as the JSON has. It need not be valid.
pub fn values_of_json(bytes: &[u8]) -> usize {
    let (mut values, mut in_text, mut escaped) = (1, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => values += 1,
            _ => {}
        }
    }
    values
}

/// Messages of OTLP that hold other messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    Export,
    ResourceSpans,
    Resource,
    ScopeSpans,
    Span,
    Event,
    Link,
    KeyValue,
    AnyValue,
    List,
    Map,
    Other,
}

impl Message {
    /// What the field holds, if it holds messages.
    fn of_field(self, tag: u32) -> Option<Self> {
        Some(match (self, tag) {
            (Self::Export, 1) => Self::ResourceSpans,
            (Self::ResourceSpans, 1) => Self::Resource,
            (Self::ResourceSpans, 2) => Self::ScopeSpans,
            (Self::ScopeSpans, 2) => Self::Span,
            (Self::Span, 11) => Self::Event,
            (Self::Span, 13) => Self::Link,
            (Self::Span, 15) => Self::Other,
            (Self::Resource, 1) | (Self::Span, 9) | (Self::Event, 3) | (Self::Link, 4) | (Self::Map, 1) => {
                Self::KeyValue
            }
            (Self::KeyValue, 2) | (Self::List, 1) => Self::AnyValue,
            (Self::AnyValue, 5) => Self::List,
            (Self::AnyValue, 6) => Self::Map,
            _ => return None,
        })
    }
}

/// What an `ExportTraceServiceRequest` holds; `None` when the bytes are none. Messages that are nested too deep for the
/// decoder are not followed: it refuses them.
pub fn of_export(bytes: &[u8]) -> Option<Counts> {
    let mut counts = Counts::default();
    walk(bytes, Message::Export, 100, &mut counts)?;
    Some(counts)
}

fn walk(mut bytes: &[u8], message: Message, depth: usize, counts: &mut Counts) -> Option<()> {
    while bytes.has_remaining() {
        let (tag, wire) = decode_key(&mut bytes).ok()?;
        let inner = message.of_field(tag).filter(|_| wire == WireType::LengthDelimited);
        let Some(inner) = inner else {
            skip_field(wire, tag, &mut bytes, DecodeContext::default()).ok()?;
            continue;
        };
        let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
        let (within, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        counts.values += 1;
        counts.spans += usize::from(inner == Message::Span);
        if depth > 0 {
            walk(within, inner, depth - 1, counts)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn json_is_counted_outside_its_texts() {
        assert_eq!(values_of_json(br#"{"a": [1, 2, {"b,[{": "x\",[["}], "c": null}"#), 7);
        assert_eq!(values_of_json(b"1"), 1);
    }

    #[test]
    fn messages_are_counted_as_they_are_nested() {
        // resource_spans { scope_spans { span { attributes {} attributes { value { list { value {} value {} } } } } span {} } }
        let values = [0x0a, 0, 0x0a, 0];
        let list = [&[0x2a, 4][..], &values].concat();
        let any = [&[0x12, 6][..], &list].concat();
        let span = [&[0x4a, 0, 0x4a, 8][..], &any].concat();
        let spans = [&[0x12, 12][..], &span, &[0x12, 0]].concat();
        let resource = [&[0x12, 16][..], &spans].concat();
        let export = [&[0x0a, 18][..], &resource].concat();
        assert_eq!(of_export(&export).unwrap(), Counts { spans: 2, values: 10 });
    }

    #[test]
    fn broken_bytes_are_none_and_nesting_ends() {
        assert!(of_export(b"\xff\xff\xff").is_none() && of_export(&[0x0a, 5, 0]).is_none());
        let mut deep = vec![];
        for _ in 0..3000 {
            let mut outer = vec![0x0a];
            prost::encoding::encode_varint(deep.len() as u64, &mut outer);
            outer.extend(&deep);
            deep = outer;
        }
        assert!(of_export(&deep).is_some());
    }
}
