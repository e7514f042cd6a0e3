//! Percent-encoding, as addresses and headers have it.

use std::fmt::Write;

/// The text with everything escaped but unreserved characters and those of `keep`.
pub fn encoded(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            // into a text it cannot fail
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// One round of decoding; what is no valid escape stays, and what is no UTF-8 then shows as such.
pub fn decoded(text: &str) -> String {
    let bytes = decoded_bytes(text, |_| Some(b'%')).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One round of decoding; `None` for a text that has an invalid escape, or is no UTF-8 then.
pub fn strictly_decoded(text: &str) -> Option<String> {
    String::from_utf8(decoded_bytes(text, |_| None)?).ok()
}

/// `invalid` says what stands for a `%` that begins no escape.
fn decoded_bytes(text: &str, invalid: impl Fn(&[u8]) -> Option<u8>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        match after.split_at_checked(2).and_then(|(digits, after)| Some((byte_of(digits)?, after))) {
            Some((byte, after)) => {
                out.push(byte);
                rest = after;
            }
            None => out.push(invalid(after)?),
        }
    }
    Some(out)
}

/// Two hexadecimal digits, and nothing that else counts as a number.
fn byte_of(digits: &[u8]) -> Option<u8> {
    let mut byte = [0];
    hex::decode_to_slice(digits, &mut byte).ok()?;
    Some(byte[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        assert_eq!(encoded("a b/ü+&~", "/"), "a%20b/%C3%BC%2B%26~");
        assert_eq!(encoded("a/b", ""), "a%2Fb");
        for text in ["", "a b/ü+&~%", "%25", "\u{10ffff}\0"] {
            assert_eq!(decoded(&encoded(text, "")), text);
            assert_eq!(strictly_decoded(&encoded(text, "")).as_deref(), Some(text));
        }
    }

    #[test]
    fn an_invalid_escape_stays_or_is_refused() {
        for text in ["%", "%4", "a%zzb", "%+1", "live%step%1%"] {
            assert_eq!((decoded(text).as_str(), strictly_decoded(text)), (text, None));
        }
        assert_eq!((decoded("%ff"), strictly_decoded("%ff")), ("\u{fffd}".into(), None));
        assert_eq!(decoded("%252e"), "%2e");
    }
}
