//! Finds the value of `usage` in an object that comes in parts, however large the rest is: a list of embeddings has megabytes.

/// The value of `usage` has few numbers.
const MOST_BYTES: usize = 16 << 10;
const KEY: &[u8] = b"usage";

/// Reads on where the part before ended; keeps the last key of the outermost object, and the value that is looked for.
#[derive(Debug, Default)]
pub struct UsageFinder {
    depth: u32,
    in_text: bool,
    escaped: bool,
    /// The text that is being read or was read last at depth 1, as far as it could be the key.
    text: Vec<u8>,
    /// After `usage` and its colon: the value's bytes.
    value: Option<Vec<u8>>,
    is_complete: bool,
}

impl UsageFinder {
    /// Takes the next part in.
    pub fn see(&mut self, part: &[u8]) {
        for byte in part {
            if self.is_complete {
                return;
            }
            self.step(*byte);
        }
    }

    /// The JSON text of the value, once it was there as a whole.
    pub fn found(&self) -> Option<&[u8]> {
        self.value.as_deref().filter(|_| self.is_complete)
    }

    fn step(&mut self, byte: u8) {
        if let Some(value) = &mut self.value
            && (!matches!(byte, b',' | b'}') || self.depth > 1 || self.in_text)
        {
            value.push(byte);
            if value.len() > MOST_BYTES {
                (self.value, self.is_complete) = (None, true);
                return;
            }
        }
        if self.in_text {
            self.in_text = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            if self.in_text && self.depth == 1 && self.text.len() <= KEY.len() {
                self.text.push(byte);
            }
            return;
        }
        match byte {
            b'"' => {
                self.in_text = true;
                self.text.clear();
            }
            b'{' | b'[' => self.depth += 1,
            b':' if self.depth == 1 && self.value.is_none() && self.text == KEY => self.value = Some(Vec::new()),
            b',' if self.depth == 1 => self.is_complete = self.value.is_some(),
            b'}' | b']' => {
                self.is_complete = self.depth == 1 && self.value.is_some();
                self.depth = self.depth.saturating_sub(1);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn found(text: &str, size: usize) -> Option<String> {
        let mut finder = UsageFinder::default();
        text.as_bytes().chunks(size).for_each(|part| finder.see(part));
        finder.found().map(|value| String::from_utf8(value.to_vec()).unwrap().trim().to_owned())
    }

    #[test]
    fn the_outermost_usage_is_found_wherever_the_parts_end() {
        let usage = r#"{"prompt_tokens": 3, "details": {"cached": [1, "}\""]}}"#;
        let texts = [
            format!(
                r#"{{"choices":[{{"message":{{"content":"\"usage\": {{1}}"}},"usage":{{"x":9}}}}],"usage": {usage}}}"#
            ),
            format!(r#"{{"usage": {usage} , "data":[[1,2],[3]]}}"#),
        ];
        for text in &texts {
            for size in 1..20 {
                assert_eq!(found(text, size).as_deref(), Some(usage), "{size} {text}");
            }
        }
        assert_eq!(found(r#"{"usage":null,"a":1}"#, 3).as_deref(), Some("null"));
        for none in
            [r#"{"a":{"usage":{}}}"#, r#"["usage", {"usage": 1}]"#, r#"{"usage": {"a": 1"#, "usage", r#"{"a":"usage"}"#]
        {
            assert_eq!(found(none, 4), None, "{none}");
        }
        let endless = format!(r#"{{"usage": [{}]}}"#, "1,".repeat(20_000));
        assert_eq!(found(&endless, 100), None);
    }
}
