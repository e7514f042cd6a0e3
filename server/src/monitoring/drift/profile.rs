//! A reference prepared once and kept: its columns in a compact form, from which a window is compared without the table.
//!
//! The form: a version, then per column its name, its missing cells and its content, all compressed. Numbers are kept in order
//! as steps to the next different one and how often there is each, in as few bytes as they need.

use super::column::{Content, ReferenceColumn};
use super::numbers;

const VERSION: &[u8] = b"drydock drift 1\n";
const LEVEL: i32 = 3;
/// Of what is unpacked: far above any profile that is made here.
const LIMIT_BYTES: u64 = 4 << 30;

/// The columns of a reference.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReferenceProfile {
    columns: Vec<ReferenceColumn>,
}

/// The bytes are no profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the reference profile is damaged or of another version; make it again")
    }
}

impl std::error::Error for Damaged {}

impl ReferenceProfile {
    pub fn new(columns: Vec<ReferenceColumn>) -> Self {
        Self { columns }
    }

    pub fn columns(&self) -> &[ReferenceColumn] {
        &self.columns
    }

    pub(super) fn cells(&self) -> usize {
        self.columns.iter().map(ReferenceColumn::cells).sum()
    }

    pub fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut out = vec![];
        number(&mut out, self.columns.len() as u64);
        for column in &self.columns {
            text(&mut out, &column.name);
            number(&mut out, column.missing);
            match &column.content {
                Content::Numbers(sorted) => {
                    out.push(0);
                    runs(&mut out, sorted);
                }
                Content::Words(counts) => {
                    out.push(1);
                    number(&mut out, counts.len() as u64);
                    for (word, count) in counts {
                        text(&mut out, word);
                        number(&mut out, *count);
                    }
                }
                Content::Unfit(reason) => {
                    out.push(2);
                    text(&mut out, reason);
                }
            }
        }
        let mut packed = VERSION.to_vec();
        zstd::stream::copy_encode(out.as_slice(), &mut packed, LEVEL)?;
        Ok(packed)
    }

    /// # Errors
    /// `Damaged` when the bytes are none that `encode` made.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let packed = bytes.strip_prefix(VERSION).ok_or(Damaged)?;
        let mut unpacked = vec![];
        let mut reader = std::io::Read::take(zstd::stream::Decoder::new(packed).map_err(|_| Damaged)?, LIMIT_BYTES);
        std::io::Read::read_to_end(&mut reader, &mut unpacked).map_err(|_| Damaged)?;
        let mut reader = Reader(&unpacked);
        let count = reader.number()?;
        // not reserved: the count is only what the bytes say
        let columns = (0..count).map(|_| reader.column()).collect::<Result<Vec<_>, _>>()?;
        if reader.0.is_empty() { Ok(Self { columns }) } else { Err(Damaged) }
    }
}

/// Seven bits a byte, the lowest first.
fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn runs(out: &mut Vec<u8>, sorted: &[f64]) {
    number(out, sorted.len() as u64);
    let mut last = 0;
    for run in sorted.chunk_by(|a, b| a.to_bits() == b.to_bits()) {
        let key = numbers::key(run[0]);
        number(out, key - last);
        number(out, run.len() as u64);
        last = key;
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.0.split_first().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, Damaged> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Damaged)
    }

    fn text(&mut self) -> Result<String, Damaged> {
        let length = usize::try_from(self.number()?).map_err(|_| Damaged)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Damaged)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).map_err(|_| Damaged)
    }

    fn column(&mut self) -> Result<ReferenceColumn, Damaged> {
        let (name, missing) = (self.text()?, self.number()?);
        let content = match self.byte()? {
            0 => Content::Numbers(self.runs()?),
            1 => {
                let count = self.number()?;
                Content::Words((0..count).map(|_| Ok((self.text()?, self.number()?))).collect::<Result<_, _>>()?)
            }
            2 => Content::Unfit(self.text()?),
            _ => return Err(Damaged),
        };
        Ok(ReferenceColumn { name, missing, content })
    }

    fn runs(&mut self) -> Result<Vec<f64>, Damaged> {
        let count = self.number()?;
        let (mut sorted, mut last) = (vec![], 0_u64);
        while (sorted.len() as u64) < count {
            let (step, times) = (self.number()?, self.number()?);
            last = last.checked_add(step).ok_or(Damaged)?;
            let value = numbers::from_key(last);
            if times == 0 || times > count - sorted.len() as u64 || times > LIMIT_BYTES / 8 || !value.is_finite() {
                return Err(Damaged);
            }
            sorted.extend(std::iter::repeat_n(value, times as usize));
        }
        Ok(sorted)
    }
}
