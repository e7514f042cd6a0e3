//! Tells which of very many 128-bit hashes were there before, in bounded memory: what does not fit goes to files by the first
//! bits of the hash, and each file is looked through by itself. The files are unnamed and go with the value.

use std::collections::HashMap;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// Marks in memory at a time.
const AT_ONCE: usize = 1 << 18;
const PARTS: usize = 64;
const MARK_BYTES: usize = 24;

/// A hash with a number: of its row, or which side it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub hash: u128,
    pub number: u64,
}

/// Marks in the order in which they came, per part of all hashes.
pub struct Spill {
    /// Where the files are made.
    dir: PathBuf,
    at_once: usize,
    held: Vec<Mark>,
    parts: Vec<BufWriter<File>>,
}

impl Spill {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, at_once: AT_ONCE, held: vec![], parts: vec![] }
    }

    #[cfg(test)]
    pub fn small(dir: PathBuf, at_once: usize) -> Self {
        Self { at_once, ..Self::new(dir) }
    }

    pub fn add(&mut self, mark: Mark) -> io::Result<()> {
        self.held.push(mark);
        if self.held.len() >= self.at_once { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.parts.is_empty() {
            for _ in 0..PARTS {
                self.parts.push(BufWriter::with_capacity(16 << 10, tempfile::tempfile_in(&self.dir)?));
            }
        }
        for mark in self.held.drain(..) {
            let part = &mut self.parts[(mark.hash >> 122) as usize % PARTS];
            part.write_all(&mark.hash.to_le_bytes())?;
            part.write_all(&mark.number.to_le_bytes())?;
        }
        Ok(())
    }

    /// How many marks repeat the hash of an earlier one, and the numbers of the first `most` that do.
    pub fn repeats(mut self, most: usize) -> io::Result<(u64, Vec<u64>)> {
        let (mut count, mut first) = (0, vec![]);
        self.each_part(|marks| {
            let mut seen = HashSet::new();
            marks(&mut |mark| {
                if !seen.insert(mark.hash) {
                    count += 1;
                    first.push(mark.number);
                    if first.len() > 4 * most.max(16) {
                        first.sort_unstable();
                        first.truncate(most);
                    }
                }
            })
        })?;
        first.sort_unstable();
        first.truncate(most);
        Ok((count, first))
    }

    /// Of marks with number 0 and others: how many of each have no partner of the other kind.
    pub fn unpaired(mut self) -> io::Result<(u64, u64)> {
        let (mut of_zero, mut of_other) = (0, 0);
        self.each_part(|marks| {
            let mut balance: HashMap<u128, i64> = HashMap::new();
            marks(&mut |mark| *balance.entry(mark.hash).or_default() += if mark.number == 0 { -1 } else { 1 })?;
            for left in balance.into_values() {
                let count = left.unsigned_abs();
                if left < 0 { of_zero += count } else { of_other += count }
            }
            Ok(())
        })?;
        Ok((of_zero, of_other))
    }

    /// Calls `look` for each share of all hashes that fits into memory, with a way to go through its marks.
    fn each_part(&mut self, mut look: impl FnMut(&mut Marks<'_>) -> io::Result<()>) -> io::Result<()> {
        if self.parts.is_empty() {
            let held = &self.held;
            return look(&mut |see| {
                held.iter().for_each(|mark| see(*mark));
                Ok(())
            });
        }
        self.flush()?;
        for part in &mut self.parts {
            part.flush()?;
            let file = part.get_mut();
            let marks = file.stream_position()? / MARK_BYTES as u64;
            // a part that is still too large is gone through several times, for a share of it each
            let shares = marks.div_ceil(self.at_once as u64).max(1);
            for share in 0..shares {
                look(&mut |see| {
                    file.seek(SeekFrom::Start(0))?;
                    let mut reader = BufReader::with_capacity(256 << 10, &mut *file);
                    let mut bytes = [0; MARK_BYTES];
                    for _ in 0..marks {
                        reader.read_exact(&mut bytes)?;
                        let mark = read(&bytes);
                        if (mark.hash as u64) % shares == share {
                            see(mark);
                        }
                    }
                    Ok(())
                })?;
            }
        }
        Ok(())
    }
}

type Marks<'a> = dyn FnMut(&mut dyn FnMut(Mark)) -> io::Result<()> + 'a;

fn read(bytes: &[u8; MARK_BYTES]) -> Mark {
    let (mut hash, mut number) = ([0; 16], [0; 8]);
    hash.copy_from_slice(&bytes[..16]);
    number.copy_from_slice(&bytes[16..]);
    Mark { hash: u128::from_le_bytes(hash), number: u64::from_le_bytes(number) }
}

/// A 128-bit hash of parts, each with its length, under keys of this process.
pub struct Hashing(std::hash::RandomState, std::hash::RandomState);

impl Hashing {
    pub fn new() -> Self {
        Self(std::hash::RandomState::new(), std::hash::RandomState::new())
    }

    pub fn of<'a>(&self, parts: impl Iterator<Item = &'a str> + Clone) -> u128 {
        use std::hash::{BuildHasher, Hash, Hasher};
        let half = |state: &std::hash::RandomState| {
            let mut hasher = state.build_hasher();
            parts.clone().for_each(|part| part.hash(&mut hasher));
            u128::from(hasher.finish())
        };
        half(&self.0) << 64 | half(&self.1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    #[test]
    fn what_is_found_does_not_depend_on_the_memory() {
        let dir = tempfile::tempdir().unwrap();
        for seed in 0..10 {
            let mut random = StdRng::seed_from_u64(seed);
            let hashing = Hashing::new();
            let values: Vec<u32> = (0..random.random_range(1..2_000)).map(|_| random.random_range(0..1_500)).collect();
            let mut seen = HashSet::new();
            let expected: Vec<u64> =
                values.iter().enumerate().filter(|(_, v)| !seen.insert(**v)).map(|(n, _)| n as u64).collect();
            for at_once in [3, 100, 1_000_000] {
                let mut spill = Spill::small(dir.path().into(), at_once);
                let mut sides = Spill::small(dir.path().into(), at_once);
                for (number, value) in values.iter().enumerate() {
                    let hash = hashing.of([value.to_string().as_str()].into_iter());
                    spill.add(Mark { hash, number: number as u64 }).unwrap();
                    sides.add(Mark { hash, number: number as u64 % 2 }).unwrap();
                }
                let (count, first) = spill.repeats(5).unwrap();
                assert_eq!(count as usize, expected.len(), "seed {seed}, {at_once} at once");
                assert_eq!(first, expected[..expected.len().min(5)], "seed {seed}, {at_once} at once");
                let mut balance: HashMap<u32, i64> = HashMap::new();
                for (number, value) in values.iter().enumerate() {
                    *balance.entry(*value).or_default() += if number % 2 == 0 { -1 } else { 1 };
                }
                let zero: i64 = balance.values().filter(|left| **left < 0).map(|left| -left).sum();
                let other: i64 = balance.values().filter(|left| **left > 0).sum();
                assert_eq!(sides.unpaired().unwrap(), (zero as u64, other as u64));
            }
        }
    }
}
