//! Values of the binary tensor extension: little-endian, `BYTES` each with its length before it.

use half::{bf16, f16};

use super::super::{Datatype, Result, fault};
use super::{Pieces, Tensor, Values};

/// Reads exactly `count` values.
///
/// # Errors
/// When the bytes are of another number, or a `BYTES` element ends behind them. `of` names the tensor.
pub fn read(of: &str, datatype: Datatype, count: usize, bytes: &[u8]) -> Result<Values> {
    if datatype == Datatype::Bytes {
        return pieces(of, count, bytes).map(Values::Bytes);
    }
    let needed = count.checked_mul(datatype.size());
    if needed != Some(bytes.len()) {
        return fault(format!(
            "{of}: 'binary_data_size' is {}; {count} values of {} are {} bytes.",
            bytes.len(),
            datatype.name(),
            needed.map_or_else(|| "too many".to_owned(), |needed| needed.to_string())
        ));
    }
    Ok(match datatype {
        Datatype::Bool => Values::Bool(bools(of, bytes)?),
        Datatype::Int8 => Values::Int(each(bytes, |it| i8::from_le_bytes(it).into())),
        Datatype::Int16 => Values::Int(each(bytes, |it| i16::from_le_bytes(it).into())),
        Datatype::Int32 => Values::Int(each(bytes, |it| i32::from_le_bytes(it).into())),
        Datatype::Int64 => Values::Int(each(bytes, i64::from_le_bytes)),
        Datatype::Uint8 => Values::Uint(each(bytes, |it| u8::from_le_bytes(it).into())),
        Datatype::Uint16 => Values::Uint(each(bytes, |it| u16::from_le_bytes(it).into())),
        Datatype::Uint32 => Values::Uint(each(bytes, |it| u32::from_le_bytes(it).into())),
        Datatype::Uint64 => Values::Uint(each(bytes, u64::from_le_bytes)),
        Datatype::Fp16 => Values::Single(each(bytes, |it| f16::from_le_bytes(it).to_f32())),
        Datatype::Bf16 => Values::Single(each(bytes, |it| bf16::from_le_bytes(it).to_f32())),
        Datatype::Fp32 => Values::Single(each(bytes, f32::from_le_bytes)),
        Datatype::Fp64 => Values::Double(each(bytes, f64::from_le_bytes)),
        Datatype::Bytes => Values::Bytes(Pieces::default()),
    })
}

/// Writes a tensor's values.
pub fn write(tensor: &Tensor, out: &mut Vec<u8>) {
    match &tensor.values {
        Values::Bool(all) => out.extend(all.iter().map(|value| u8::from(*value))),
        // within the type's range, so the low bytes are all of it
        Values::Int(all) => {
            all.iter().for_each(|it| out.extend_from_slice(&it.to_le_bytes()[..tensor.datatype.size()]))
        }
        Values::Uint(all) => {
            all.iter().for_each(|it| out.extend_from_slice(&it.to_le_bytes()[..tensor.datatype.size()]))
        }
        Values::Single(all) => match tensor.datatype {
            Datatype::Fp16 => all.iter().for_each(|it| out.extend_from_slice(&f16::from_f32(*it).to_le_bytes())),
            Datatype::Bf16 => all.iter().for_each(|it| out.extend_from_slice(&bf16::from_f32(*it).to_le_bytes())),
            _ => all.iter().for_each(|it| out.extend_from_slice(&it.to_le_bytes())),
        },
        Values::Double(all) => all.iter().for_each(|it| out.extend_from_slice(&it.to_le_bytes())),
        Values::Bytes(all) => {
            for index in 0..all.len() {
                let piece = all.get(index);
                out.extend_from_slice(&u32::try_from(piece.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend_from_slice(piece);
            }
        }
    }
}

fn each<const N: usize, T>(bytes: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| value(*chunk)).collect()
}

fn bools(of: &str, bytes: &[u8]) -> Result<Vec<bool>> {
    if let Some(index) = bytes.iter().position(|byte| *byte > 1) {
        return fault(format!("{of}: element {index} is {}; a BOOL is one byte, 0 or 1.", bytes[index]));
    }
    Ok(bytes.iter().map(|byte| *byte == 1).collect())
}

fn pieces(of: &str, count: usize, mut bytes: &[u8]) -> Result<Pieces> {
    let mut all = Pieces::default();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length);
        let Some((piece, rest)) = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length)) else {
            return fault(format!(
                "{of}: element {} says that it has {length} bytes, and {} follow.",
                all.len(),
                rest.len()
            ));
        };
        all.push(piece);
        bytes = rest;
    }
    if !bytes.is_empty() {
        return fault(format!("{of}: {} bytes are left after element {}.", bytes.len(), all.len()));
    }
    if all.len() != count {
        return fault(format!("{of}: the data have {} elements; the shape has {count}.", all.len()));
    }
    Ok(all)
}
