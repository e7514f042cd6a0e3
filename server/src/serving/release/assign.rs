//! Which of the two variants of an A/B test a key gets: a hash, so the same key gets the same for as long as the test lasts, after
//! a restart as well, and another test shares the same keys out anew.

use drydock_wire::serving::Assign;
use sha2::{Digest, Sha256};

/// Shares are told apart to a hundredth of a percent.
const PARTS: u64 = 10_000;

/// The two that a release measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    Live,
    Candidate,
}

/// The hash of a key in one release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unit(pub u64);

impl Side {
    pub const BOTH: [Self; 2] = [Self::Live, Self::Candidate];

    pub fn is_candidate(self) -> bool {
        self == Self::Candidate
    }

    pub fn of(is_candidate: bool) -> Self {
        if is_candidate { Self::Candidate } else { Self::Live }
    }
}

impl Unit {
    /// The parts are told apart by their lengths, so that no two keys run into each other.
    pub fn of(deployment_id: &str, release_id: &str, key: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [deployment_id, release_id, key] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Self(u64::from_be_bytes(first))
    }

    /// The candidate gets so many percent of all hashes.
    pub fn side(self, weight: u32) -> Side {
        Side::of(self.0 % PARTS < u64::from(weight) * PARTS / 100)
    }
}

/// What the counts of a split are of.
pub fn counted(assign: &Assign) -> &'static str {
    match assign {
        Assign::Caller => "callers",
        Assign::Header(_) => "header values",
        Assign::Cookie(_) => "cookies",
        Assign::Request => "requests",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_with_its_side_over_versions_of_the_server() {
        // changed values would move callers in the middle of a test
        assert_eq!(Unit::of("deployment", "release", "ann").0, 1_719_912_287_052_631_893);
        assert_eq!(Unit::of("deployment", "release", "bob").0, 7_544_081_085_593_729_869);
        assert_ne!(Unit::of("ab", "c", "d"), Unit::of("a", "bc", "d"));
        assert_ne!(Unit::of("deployment", "another", "ann"), Unit::of("deployment", "release", "ann"));
    }

    #[test]
    fn the_candidate_gets_its_share_of_many_keys() {
        for weight in [1, 20, 50, 99] {
            let of = |n: u32| Unit::of("d", "r", &format!("customer {n}")).side(weight);
            let candidates = (0..20_000).filter(|n| of(*n) == Side::Candidate).count() as f64;
            let expected = 200.0 * f64::from(weight);
            let spread = (expected * (1.0 - f64::from(weight) / 100.0)).sqrt();
            assert!((candidates - expected).abs() < 4.0 * spread, "{weight} %: {candidates} of 20000");
        }
        // whoever had the candidate at 20 % has it at 50 %, too
        let unit = (0..100).map(|n| Unit::of("d", "r", &n.to_string())).find(|unit| unit.side(20).is_candidate());
        assert!(unit.is_some_and(|unit| unit.side(50).is_candidate()));
    }
}
