//! The datatypes of V2 tensors.

/// A tensor's datatype.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
    Bytes,
}

const ALL: [(Datatype, &str, usize); 14] = [
    (Datatype::Bool, "BOOL", 1),
    (Datatype::Uint8, "UINT8", 1),
    (Datatype::Uint16, "UINT16", 2),
    (Datatype::Uint32, "UINT32", 4),
    (Datatype::Uint64, "UINT64", 8),
    (Datatype::Int8, "INT8", 1),
    (Datatype::Int16, "INT16", 2),
    (Datatype::Int32, "INT32", 4),
    (Datatype::Int64, "INT64", 8),
    (Datatype::Fp16, "FP16", 2),
    (Datatype::Bf16, "BF16", 2),
    (Datatype::Fp32, "FP32", 4),
    (Datatype::Fp64, "FP64", 8),
    (Datatype::Bytes, "BYTES", 0),
];

impl Datatype {
    /// The datatype of that name.
    pub fn parse(name: &str) -> Option<Self> {
        ALL.iter().find(|(_, known, _)| *known == name).map(|(it, ..)| *it)
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(it, ..)| *it == self).map_or("", |(_, name, _)| name)
    }

    /// Bytes of an element; 0 for `BYTES`, whose elements say it themselves.
    pub fn size(self) -> usize {
        ALL.iter().find(|(it, ..)| *it == self).map_or(0, |(_, _, size)| *size)
    }

    /// All names, for a refusal.
    pub fn names() -> String {
        ALL.map(|(_, name, _)| name).join(", ")
    }

    /// The datatype of numpy's type of that name.
    pub fn of_numpy(name: &str) -> Option<Self> {
        Some(match name {
            "bool" => Self::Bool,
            "uint8" => Self::Uint8,
            "uint16" => Self::Uint16,
            "uint32" => Self::Uint32,
            "uint64" => Self::Uint64,
            "int8" => Self::Int8,
            "int16" => Self::Int16,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "float16" => Self::Fp16,
            "float32" => Self::Fp32,
            "float64" => Self::Fp64,
            "object" => Self::Bytes,
            name if name.starts_with("str") || name.starts_with("bytes") || name.starts_with("datetime64") => {
                Self::Bytes
            }
            _ => return None,
        })
    }

    /// Smallest and largest value of an integer type.
    pub fn range(self) -> Option<(i128, i128)> {
        Some(match self {
            Self::Uint8 => (0, u8::MAX.into()),
            Self::Uint16 => (0, u16::MAX.into()),
            Self::Uint32 => (0, u32::MAX.into()),
            Self::Uint64 => (0, u64::MAX.into()),
            Self::Int8 => (i8::MIN.into(), i8::MAX.into()),
            Self::Int16 => (i16::MIN.into(), i16::MAX.into()),
            Self::Int32 => (i32::MIN.into(), i32::MAX.into()),
            Self::Int64 => (i64::MIN.into(), i64::MAX.into()),
            _ => return None,
        })
    }

    /// Whether every value of `other` is one of this as well.
    pub fn takes(self, other: Self) -> bool {
        if self == other {
            return true;
        }
        match (self.range(), other.range()) {
            (Some((low, high)), Some((other_low, other_high))) => low <= other_low && other_high <= high,
            (None, Some(_)) => match self {
                Self::Fp64 => other.size() <= 4,
                Self::Fp32 => other.size() <= 2,
                _ => false,
            },
            (None, None) => match self {
                Self::Fp64 => matches!(other, Self::Fp16 | Self::Bf16 | Self::Fp32),
                Self::Fp32 => matches!(other, Self::Fp16 | Self::Bf16),
                _ => false,
            },
            (Some(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (datatype, name, _) in ALL {
            assert_eq!(Datatype::parse(name), Some(datatype));
            assert_eq!(datatype.name(), name);
        }
        assert_eq!(Datatype::parse("fp32"), None);
    }

    #[test]
    fn nothing_is_taken_that_could_lose_a_digit() {
        let takes = |left: &str, right: &str| Datatype::parse(left).unwrap().takes(Datatype::parse(right).unwrap());
        for (left, right) in
            [("INT64", "UINT32"), ("FP64", "FP32"), ("FP64", "INT32"), ("FP32", "INT16"), ("UINT16", "UINT8")]
        {
            assert!(takes(left, right), "{left} {right}");
        }
        for (left, right) in [
            ("FP64", "INT64"),
            ("FP32", "FP64"),
            ("FP32", "INT32"),
            ("INT64", "UINT64"),
            ("INT32", "FP32"),
            ("BYTES", "INT8"),
            ("BOOL", "INT8"),
            ("FP16", "BF16"),
        ] {
            assert!(!takes(left, right), "{left} {right}");
        }
    }
}
