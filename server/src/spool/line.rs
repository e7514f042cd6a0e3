//! One line of a log and its forms: `{at} {o|e|n} {text}`, one per line, so that a log can be read by eye where it lies.
//!
//! While it is written, the instant has nanoseconds (`1795440245123.456789`), by which a line is known again when the log of a
//! container is read a second time; a kept copy has milliseconds. A note is Drydock's own; `n123` stands in the place of 123 lines
//! that are not there any more, and has the number of the last of them.

use drydock_wire::{jobs::LogLine, logs::NOTE};

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Out,
    Error,
    /// Drydock's own words, in the place of so many lines (1: of none but itself).
    Note {
        lines: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Nanoseconds since 1970; 0 where unknown.
    pub at_ns: i64,
    pub kind: Kind,
    /// Without line feeds.
    pub text: String,
}

/// A line with its number: 0, 1, 2, … of its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    pub seq: u64,
    pub line: Line,
}

const NS_PER_MS: i64 = 1_000_000;

impl Line {
    /// Appends the form of a log that is being written.
    pub fn encode(&self, to: &mut Vec<u8>) {
        let (ms, ns) = (self.at_ns.div_euclid(NS_PER_MS), self.at_ns.rem_euclid(NS_PER_MS));
        self.encode_after(format_args!("{ms}.{ns:06}"), to);
    }

    /// Appends the form of a kept copy.
    pub fn encode_kept(&self, to: &mut Vec<u8>) {
        self.encode_after(format_args!("{}", self.at_ns.div_euclid(NS_PER_MS)), to);
    }

    fn encode_after(&self, at: std::fmt::Arguments<'_>, to: &mut Vec<u8>) {
        use std::io::Write;
        // writing into memory does not fail
        let _ = match self.kind {
            Kind::Out => write!(to, "{at} o "),
            Kind::Error => write!(to, "{at} e "),
            Kind::Note { lines: 1 } => write!(to, "{at} n "),
            Kind::Note { lines } => write!(to, "{at} n{lines} "),
        };
        // A carriage return inside is a progress bar's; a line feed cannot be.
        to.extend(self.text.bytes().map(|byte| if byte == b'\n' { b' ' } else { byte }));
        to.push(b'\n');
    }

    /// Reads either form, without its line feed. What is of neither is text of unknown time.
    pub fn decode(line: &[u8]) -> Self {
        let whole = || Self { at_ns: 0, kind: Kind::Out, text: String::from_utf8_lossy(line).into_owned() };
        let Some((at, kind, text)) = parts(line) else { return whole() };
        Self { at_ns: at, kind, text: String::from_utf8_lossy(text).into_owned() }
    }

    pub fn at_ms(&self) -> i64 {
        self.at_ns.div_euclid(NS_PER_MS)
    }

    pub fn into_wire(self, seq: u64) -> LogLine {
        let stream = match self.kind {
            Kind::Out => "stdout",
            Kind::Error => "stderr",
            Kind::Note { .. } => NOTE,
        };
        LogLine { seq, at: self.at_ms(), stream: stream.to_owned(), text: self.text }
    }
}

/// Instant in nanoseconds, kind and text of an encoded line.
pub(super) fn parts(line: &[u8]) -> Option<(i64, Kind, &[u8])> {
    let (at, rest) = split_at_space(line)?;
    let (word, text) = split_at_space(rest)?;
    let kind = match word {
        b"o" => Kind::Out,
        b"e" => Kind::Error,
        b"n" => Kind::Note { lines: 1 },
        [b'n', count @ ..] => Kind::Note { lines: std::str::from_utf8(count).ok()?.parse().ok()? },
        _ => return None,
    };
    Some((instant(std::str::from_utf8(at).ok()?)?, kind, text))
}

fn instant(text: &str) -> Option<i64> {
    match text.split_once('.') {
        Some((ms, ns)) if ns.len() == 6 => {
            ms.parse::<i64>().ok()?.checked_mul(NS_PER_MS)?.checked_add(ns.parse().ok()?)
        }
        Some(_) => None,
        None => text.parse::<i64>().ok()?.checked_mul(NS_PER_MS),
    }
}

fn split_at_space(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().take(40).position(|byte| *byte == b' ')?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// Makes numbered lines of bytes that are cut anywhere.
#[derive(Debug, Default)]
pub struct Splitter {
    /// The number of the next line.
    pub seq: u64,
    open: Vec<u8>,
}

impl Splitter {
    pub fn at(seq: u64) -> Self {
        Self { seq, open: Vec::new() }
    }

    /// Adds the lines of `bytes` from number `from` on to `out`.
    pub fn feed(&mut self, mut bytes: &[u8], from: u64, out: &mut Vec<Numbered>) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            if self.open.is_empty() {
                self.take(line, from, out);
            } else {
                let mut whole = std::mem::take(&mut self.open);
                whole.extend_from_slice(line);
                self.take(&whole, from, out);
            }
            bytes = rest;
        }
        self.open.extend_from_slice(bytes);
    }

    /// The last line, if it has no end.
    pub fn finish(&mut self, from: u64, out: &mut Vec<Numbered>) {
        let last = std::mem::take(&mut self.open);
        if !last.is_empty() {
            self.take(&last, from, out);
        }
    }

    fn take(&mut self, line: &[u8], from: u64, out: &mut Vec<Numbered>) {
        let stands_for = match parts(line) {
            Some((_, Kind::Note { lines }, _)) => lines.max(1),
            _ => 1,
        };
        let seq = self.seq + stands_for - 1;
        self.seq = seq + 1;
        if seq >= from {
            out.push(Numbered { seq, line: Line::decode(line) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: Kind, text: &str) -> Line {
        Line { at_ns: 1_795_440_245_123_456_789, kind, text: text.into() }
    }

    #[test]
    fn a_line_comes_back_as_it_was_written_and_as_it_was_kept() {
        for kind in [Kind::Out, Kind::Error, Kind::Note { lines: 1 }, Kind::Note { lines: 77 }] {
            for text in ["", "plain", " two  spaces ", "o e 1", "ü\r50%"] {
                let line = line(kind, text);
                let (mut written, mut kept) = (vec![], vec![]);
                line.encode(&mut written);
                line.encode_kept(&mut kept);
                assert_eq!(Line::decode(written.strip_suffix(b"\n").unwrap_or_default()), line);
                let kept = Line::decode(kept.strip_suffix(b"\n").unwrap_or_default());
                assert_eq!((kept.at_ms(), kept.kind, kept.text), (line.at_ms(), line.kind, line.text));
            }
        }
    }

    #[test]
    fn what_is_no_line_of_ours_is_shown_as_text() {
        for text in ["hello", "12 x hello", "a.b o c", "12 n? c"] {
            assert_eq!(Line::decode(text.as_bytes()), Line { at_ns: 0, kind: Kind::Out, text: text.into() });
        }
    }

    #[test]
    fn lines_survive_any_cut_and_a_mark_counts_for_what_it_stands_for() {
        let mut bytes = vec![];
        for (kind, text) in
            [(Kind::Out, "a"), (Kind::Note { lines: 10 }, "left out"), (Kind::Error, "é"), (Kind::Out, "")]
        {
            line(kind, text).encode(&mut bytes);
        }
        for size in 1..bytes.len() {
            let (mut splitter, mut found) = (Splitter::at(5), vec![]);
            bytes.chunks(size).for_each(|chunk| splitter.feed(chunk, 0, &mut found));
            let shown: Vec<(u64, &str)> = found.iter().map(|it| (it.seq, it.line.text.as_str())).collect();
            assert_eq!(shown, [(5, "a"), (15, "left out"), (16, "é"), (17, "")], "cut every {size}");
        }
        let (mut splitter, mut found) = (Splitter::at(5), vec![]);
        splitter.feed(&bytes, 16, &mut found);
        splitter.feed(b"no end", 16, &mut found);
        splitter.finish(16, &mut found);
        assert_eq!(found.iter().map(|it| it.seq).collect::<Vec<_>>(), [16, 17, 18]);
    }
}
