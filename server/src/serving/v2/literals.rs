//! Python writes `NaN`, `Infinity` and `-Infinity` into its JSON, which JSON does not have. Where that happened, the literals are
//! made readable; in what is proper JSON nothing is looked for.

/// What a literal becomes: texts that no caller's text is, for a null character begins them.
const MARKS: [(&[u8], &str); 3] =
    [(b"NaN", "\"\\u0000NaN\""), (b"-Infinity", "\"\\u0000-Infinity\""), (b"Infinity", "\"\\u0000Infinity\"")];

/// The body with its literals as marked texts; absent where it has none.
pub fn marked(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len() + 64);
    let (mut at, mut in_text, mut found) = (0, false, false);
    while let Some(&byte) = body.get(at) {
        if in_text {
            let length = if byte == b'\\' { 2.min(body.len() - at) } else { 1 };
            in_text = byte != b'"';
            out.extend_from_slice(&body[at..at + length]);
            at += length;
            continue;
        }
        if let Some((literal, mark)) = MARKS.iter().find(|(literal, _)| body[at..].starts_with(literal)) {
            out.extend_from_slice(mark.as_bytes());
            at += literal.len();
            found = true;
            continue;
        }
        in_text = byte == b'"';
        out.push(byte);
        at += 1;
    }
    found.then_some(out)
}

/// The number that a marked text stands for.
pub fn value(text: &str) -> Option<f64> {
    match text.strip_prefix('\0')? {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// The number as Python's reader takes it, also where JSON has none.
pub fn write(out: &mut Vec<u8>, value: f64) {
    let literal: &[u8] = if value.is_nan() {
        b"NaN"
    } else if value > 0.0 {
        b"Infinity"
    } else {
        b"-Infinity"
    };
    out.extend_from_slice(literal);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn literals_are_found_outside_of_texts_alone() {
        let body = br#"{"NaN \" NaN": [NaN, -Infinity, "Infinity", 1.5]}"#;
        let marked = marked(body).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&marked).unwrap();
        let items = &read["NaN \" NaN"];
        assert!(value(items[0].as_str().unwrap()).unwrap().is_nan());
        assert_eq!(value(items[1].as_str().unwrap()), Some(f64::NEG_INFINITY));
        assert_eq!((value(items[2].as_str().unwrap()), items[3].as_f64()), (None, Some(1.5)));
        assert_eq!(super::marked(br#"{"a": ["NaN"]}"#), None);
        assert_eq!(super::marked(b"\"\\"), None);
    }
}
