//! What a digest looks like: 64 lower-case hexadecimal digits, the SHA-256 of the bytes, with nothing before or after.

/// Whether this can be the name of a blob.
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lower_case_digests_pass() {
        assert!(is_digest(&"0123456789abcdef".repeat(4)));
        for bad in ["", "..", "ab", "sha256:abc"] {
            assert!(!is_digest(bad), "{bad}");
        }
        assert!(!is_digest(&"A".repeat(64)));
        assert!(!is_digest(&"a".repeat(63)));
        assert!(!is_digest(&"a".repeat(65)));
        assert!(!is_digest(&format!("../{}", "a".repeat(61))));
        assert!(!is_digest(&format!("{}\n", "a".repeat(63))));
        assert!(!is_digest(&"é".repeat(32)));
    }
}
