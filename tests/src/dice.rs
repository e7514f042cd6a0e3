//! Chance that can be had again: a generator with a seed that a test prints and a variable sets.
//!
//! Without the variable the seed is the same at each run: whether a change is let in is nobody's luck. `random` draws another one, which
//! is what `make faults` asks for, so that what nobody has thought of is still looked for.

/// Of every test that nobody gives another one.
const SEED: u64 = 20_260_101;

/// The seed that the variable names: a number, `random`, or the one that all runs share. It is printed with what runs it again.
///
/// # Panics
/// When the variable is neither, with what it may be.
pub fn seed_of(variable: &str) -> u64 {
    let asked = std::env::var(variable).unwrap_or_default();
    let seed = match asked.as_str() {
        "" => SEED,
        "random" => drydock::clock::now_ms().unsigned_abs(),
        number => match number.parse() {
            Ok(seed) => seed,
            Err(_) => panic!("{variable} is {number:?}; it may be a number or the word random"),
        },
    };
    crate::fault::report(&format!("{variable}={}", seed | 1));
    seed | 1
}

/// The seed of tests that make faults or choose moments.
pub fn fault_seed() -> u64 {
    seed_of("DRYDOCK_FAULT_SEED")
}

/// xorshift64*: enough for choosing where to hurt and for bytes that no two uploads share.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From this seed on; 0 is none.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        (self.roll() >> 16) % limit.max(1)
    }

    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.roll().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }

    /// Another generator, so that tasks beside each other do not depend on who comes first.
    pub fn fork(&mut self) -> Self {
        Self::new(self.roll())
    }
}
