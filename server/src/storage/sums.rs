//! Checksums beside the SHA-256 that names the content: the MD5 that is the ETag, and the one a client wants to be held to.
//!
//! Only what is needed is computed, off the async threads (`objects::Sum`).

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use crc_fast::{CrcAlgorithm, Digest as Crc};
use drydock_appliance::blobs::Sum;
use md5::{Digest as _, Md5};
use sha1::Sha1;

use super::refusals;
use crate::error::{Error, Result};

/// S3's checksum algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// As in `x-amz-checksum-{word}` and in our rows.
    pub fn word(self) -> &'static str {
        match self {
            Self::Crc32 => "crc32",
            Self::Crc32c => "crc32c",
            Self::Crc64Nvme => "crc64nvme",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// Of `x-amz-checksum-algorithm`, whatever its case.
    pub fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.word().eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            let known = "CRC32, CRC32C, CRC64NVME, SHA1, SHA256";
            refusals::invalid_argument(format!("{text} is no checksum algorithm of S3's: {known}."))
        })
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// Bytes of a sum.
    fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Whether parts' sums can be made into one of the whole.
    pub fn combines(self) -> bool {
        self.crc().is_some()
    }
}

/// What a client says its bytes sum up to.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// Of Content-MD5.
    pub md5: Option<[u8; 16]>,
    /// The algorithm, and the sum in base64 unless it follows in a trailer or is to be computed here.
    pub checksum: Option<(Algorithm, Option<String>)>,
    /// That the signature names.
    pub sha256: Option<[u8; 32]>,
}

impl Expected {
    /// # Errors
    /// `invalid` (InvalidDigest) when it is no base64 of 16 bytes.
    pub fn parse_md5(header: &str) -> Result<[u8; 16]> {
        let bytes = STANDARD.decode(header).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| refusals::invalid_digest("Content-MD5"))
    }
}

/// Sums while bytes arrive.
pub struct Summing {
    md5: Md5,
    crc: Option<Crc>,
    sha1: Option<Sha1>,
    algorithm: Option<Algorithm>,
}

impl Summing {
    pub fn new(algorithm: Option<Algorithm>) -> Self {
        Self {
            md5: Md5::new(),
            crc: algorithm.and_then(Algorithm::crc).map(Crc::new),
            sha1: (algorithm == Some(Algorithm::Sha1)).then(Sha1::new),
            algorithm,
        }
    }

    /// The sums of all bytes, whose SHA-256 is `digest`.
    pub fn summed(&self, digest: &str) -> Summed {
        let mut sha256 = [0; 32];
        // a digest of ours always decodes
        let _ = hex::decode_to_slice(digest, &mut sha256);
        let checksum = self.algorithm.map(|algorithm| {
            let bytes = match (algorithm, &self.crc, &self.sha1) {
                (Algorithm::Sha256, ..) => sha256.to_vec(),
                (_, Some(crc), _) => crc_bytes(algorithm, crc.finalize()),
                (_, _, Some(sha1)) => sha1.clone().finalize().to_vec(),
                _ => vec![],
            };
            (algorithm, STANDARD.encode(bytes))
        });
        Summed { md5: self.md5.clone().finalize().into(), sha256, checksum }
    }
}

impl Sum for Summing {
    fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some(crc) = &mut self.crc {
            crc.update(bytes);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summed {
    pub md5: [u8; 16],
    pub sha256: [u8; 32],
    /// Base64.
    pub checksum: Option<(Algorithm, String)>,
}

impl Summed {
    /// # Errors
    /// `invalid` (XAmzContentSHA256Mismatch, BadDigest) where what the client said is not what arrived.
    pub fn check(&self, expected: &Expected) -> Result<()> {
        if expected.sha256.is_some_and(|sha256| sha256 != self.sha256) {
            return Err(refusals::other_payload());
        }
        if expected.md5.is_some_and(|md5| md5 != self.md5) {
            return Err(refusals::bad_digest("Content-MD5"));
        }
        match (&expected.checksum, &self.checksum) {
            (Some((algorithm, Some(said))), Some((_, computed))) if said != computed => {
                check_form(*algorithm, said)?;
                Err(refusals::bad_digest(&format!("x-amz-checksum-{}", algorithm.word())))
            }
            _ => Ok(()),
        }
    }

    pub fn etag(&self) -> String {
        hex::encode(self.md5)
    }

    pub fn checksums(&self) -> BTreeMap<String, String> {
        self.checksum.iter().map(|(algorithm, sum)| (algorithm.word().to_owned(), sum.clone())).collect()
    }
}

/// # Errors
/// `invalid` when this cannot be a sum of that algorithm.
pub fn check_form(algorithm: Algorithm, sum: &str) -> Result<()> {
    let length = STANDARD.decode(sum).map(|bytes| bytes.len());
    if length == Ok(algorithm.length()) {
        return Ok(());
    }
    let text = format!("Value for x-amz-checksum-{} header is invalid.", algorithm.word());
    Err(Error::invalid(text).with_source(refusals::S3Word("InvalidRequest")))
}

fn crc_bytes(algorithm: Algorithm, value: u64) -> Vec<u8> {
    let all = value.to_be_bytes();
    all.get(8 - algorithm.length().min(8)..).unwrap_or_default().to_vec()
}

/// The ETag of an object in parts: the MD5 of the parts' MD5s, and their number.
pub fn composite_etag(md5s: &[String]) -> Result<String> {
    let mut all = Md5::new();
    for md5 in md5s {
        all.update(hex::decode(md5).map_err(Error::internal)?);
    }
    Ok(format!("{}-{}", hex::encode(all.finalize()), md5s.len()))
}

/// The checksum of an object in parts that is made of the parts' checksums, and their number.
pub fn composite_checksum(algorithm: Algorithm, parts: &[String]) -> Result<String> {
    let mut bytes = Vec::with_capacity(parts.len() * algorithm.length());
    for part in parts {
        bytes.extend(STANDARD.decode(part).map_err(Error::internal)?);
    }
    let sum = match (algorithm, algorithm.crc()) {
        (_, Some(crc)) => crc_bytes(algorithm, crc_fast::checksum(crc, &bytes)),
        (Algorithm::Sha1, _) => Sha1::digest(&bytes).to_vec(),
        _ => {
            use sha2::Digest as _;
            sha2::Sha256::digest(&bytes).to_vec()
        }
    };
    Ok(format!("{}-{}", STANDARD.encode(sum), parts.len()))
}

/// The checksum over all bytes of an object in parts, from the parts' checksums and sizes.
///
/// # Errors
/// `invalid` for an algorithm whose sums do not combine.
pub fn whole_checksum(algorithm: Algorithm, parts: &[(String, u64)]) -> Result<String> {
    let crc = algorithm.crc().ok_or_else(|| {
        refusals::invalid_argument(format!("{} cannot be of type FULL_OBJECT in an upload in parts.", algorithm.word()))
    })?;
    let mut whole: Option<u64> = None;
    for (sum, size) in parts {
        let bytes = STANDARD.decode(sum).map_err(Error::internal)?;
        let part = bytes.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        whole = Some(whole.map_or(part, |before| crc_fast::checksum_combine(crc, before, part, *size)));
    }
    Ok(STANDARD.encode(crc_bytes(algorithm, whole.unwrap_or_else(|| crc_fast::checksum(crc, &[])))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sums(algorithm: Algorithm, bytes: &[u8]) -> Summed {
        let mut summing = Summing::new(Some(algorithm));
        for piece in bytes.chunks(7) {
            summing.update(piece);
        }
        use sha2::Digest as _;
        summing.summed(&hex::encode(sha2::Sha256::digest(bytes)))
    }

    #[test]
    fn sums_are_those_that_clients_compute() {
        // of "123456789", from the algorithms' own specifications
        let known = [
            (Algorithm::Crc32, "cbf43926"),
            (Algorithm::Crc32c, "e3069283"),
            (Algorithm::Crc64Nvme, "ae8b14860a799888"),
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (Algorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ];
        for (algorithm, wanted) in known {
            let summed = sums(algorithm, b"123456789");
            assert_eq!(summed.checksum, Some((algorithm, STANDARD.encode(hex::decode(wanted).unwrap()))));
            assert_eq!(summed.etag(), "25f9e794323b453885f5181f1b624d0b");
        }
    }

    #[test]
    fn parts_combine_to_the_sum_of_the_whole() {
        let whole: Vec<u8> = (0..100_000u64).map(|i| (i * i % 251) as u8).collect();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            for cuts in [vec![], vec![1], vec![50_000, 50_001], vec![99_999]] {
                let mut parts = vec![];
                let mut from = 0;
                for to in cuts.iter().copied().chain([whole.len()]) {
                    let piece = &whole[from..to];
                    parts.push((sums(algorithm, piece).checksum.unwrap().1, piece.len() as u64));
                    from = to;
                }
                let combined = whole_checksum(algorithm, &parts).unwrap();
                assert_eq!(combined, sums(algorithm, &whole).checksum.unwrap().1, "{algorithm:?} {cuts:?}");
            }
        }
        assert!(whole_checksum(Algorithm::Sha256, &[]).is_err());
    }

    #[test]
    fn a_composite_etag_is_the_md5_of_md5s() {
        let md5s = [sums(Algorithm::Crc32, b"a").etag(), sums(Algorithm::Crc32, b"b").etag()];
        let mut both = Md5::new();
        both.update(hex::decode(md5s.concat()).unwrap());
        assert_eq!(composite_etag(&md5s).unwrap(), format!("{}-2", hex::encode(both.finalize())));
    }

    #[test]
    fn what_was_said_wrongly_is_refused() {
        let summed = sums(Algorithm::Crc32, b"123456789");
        let said =
            |sum: &str| Expected { checksum: Some((Algorithm::Crc32, Some(sum.to_owned()))), ..Expected::default() };
        assert!(summed.check(&said("y/Q5Jg==")).is_ok());
        assert!(summed.check(&said("y/Q5Jw==")).is_err());
        assert!(summed.check(&said("nonsense")).is_err());
        assert!(summed.check(&Expected { md5: Some([0; 16]), ..Expected::default() }).is_err());
        use sha2::Digest as _;
        let signed = |sha256: [u8; 32]| Expected { sha256: Some(sha256), ..Expected::default() };
        assert!(summed.check(&signed(sha2::Sha256::digest(b"123456789").into())).is_ok());
        let refused = summed.check(&signed([0; 32])).unwrap_err();
        assert!(refused.message.contains("x-amz-content-sha256"), "{}", refused.message);
    }
}
