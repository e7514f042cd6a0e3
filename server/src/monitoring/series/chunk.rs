//! Points as bytes and back: columns in pcodec's format, which finds out by itself how a column of numbers repeats, grows or was
//! rounded. Pure.
//!
//! A chunk of samples has their slots and values; one of minutes or hours has minimum, maximum, mean and last value as well, except for
//! counters, of which only the last says anything. A mean is kept to 24 bits, since behind that it is noise.

use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress};

use super::point::{Point, Resolution};
use crate::error::{Error, Result};

/// The first byte: what columns follow.
const SAMPLES: u8 = 1;
const GAUGE: u8 = 2;
const COUNTER: u8 = 3;

/// Points of one chunk, in order of time.
///
/// # Errors
/// When the compressor refuses, which it does for no numbers.
pub fn encode(points: &[Point], resolution: Resolution, is_counter: bool) -> Result<Vec<u8>> {
    let start = points.first().map_or(0, |first| resolution.chunk(first.at));
    let slot = |point: &Point| u32::try_from((point.at - start) / resolution.width_ms()).unwrap_or(u32::MAX);
    let slots: Vec<u32> = points.iter().map(slot).collect();
    let values = |of: fn(&Point) -> f64| points.iter().map(of).collect::<Vec<f64>>();
    let form = match (resolution, is_counter) {
        (Resolution::Full, _) => SAMPLES,
        (_, false) => GAUGE,
        (_, true) => COUNTER,
    };
    let mut bytes = vec![form];
    column(&mut bytes, &slots)?;
    if form != SAMPLES {
        column(&mut bytes, &points.iter().map(|point| point.count).collect::<Vec<u32>>())?;
    }
    if form == GAUGE {
        column(&mut bytes, &values(|point| point.min))?;
        column(&mut bytes, &values(|point| point.max))?;
        column(&mut bytes, &values(|point| f64::from(point.mean as f32)))?;
    }
    column(&mut bytes, &values(|point| point.last))?;
    Ok(bytes)
}

/// The points of the chunk that starts at `start`.
///
/// # Errors
/// When the bytes are no chunk: the file is damaged.
pub fn decode(bytes: &[u8], start: i64, resolution: Resolution) -> Result<Vec<Point>> {
    let (form, mut rest) = bytes.split_first().ok_or_else(|| damaged("empty"))?;
    let slots: Vec<u32> = next(&mut rest)?;
    let counts: Vec<u32> = if *form == SAMPLES { vec![1; slots.len()] } else { next(&mut rest)? };
    let mut spread = None;
    if *form == GAUGE {
        spread = Some([next::<f64>(&mut rest)?, next(&mut rest)?, next(&mut rest)?]);
    }
    let last: Vec<f64> = next(&mut rest)?;
    let same = |values: &[f64]| values.len() == slots.len();
    if !same(&last) || counts.len() != slots.len() || spread.as_ref().is_some_and(|all| !all.iter().all(|it| same(it)))
    {
        return Err(damaged("columns of different lengths"));
    }
    let point = |place: usize| {
        let value = |column: usize| spread.as_ref().map_or(last[place], |all| all[column][place]);
        let at = start + i64::from(slots[place]) * resolution.width_ms();
        Point { at, count: counts[place], min: value(0), max: value(1), mean: value(2), last: last[place] }
    };
    Ok((0..slots.len()).map(point).collect())
}

fn column<T: pco::data_types::Number>(bytes: &mut Vec<u8>, values: &[T]) -> Result<()> {
    let packed = simple_compress(values, &ChunkConfig::default()).map_err(Error::internal)?;
    let length = u32::try_from(packed.len()).map_err(Error::internal)?;
    bytes.extend(length.to_le_bytes());
    bytes.extend(packed);
    Ok(())
}

fn next<T: pco::data_types::Number>(rest: &mut &[u8]) -> Result<Vec<T>> {
    let (length, after) = rest.split_first_chunk::<4>().ok_or_else(|| damaged("cut off"))?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(Error::internal)?;
    let (packed, after) = after.split_at_checked(length).ok_or_else(|| damaged("cut off"))?;
    *rest = after;
    simple_decompress(packed).map_err(Error::internal)
}

fn damaged(what: &str) -> Error {
    Error::internal(anyhow::anyhow!("a chunk of a series is damaged: {what}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::point::rolled_up;
    use super::*;

    /// A number between 0 and 1, the same at each run.
    fn noise(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 11) as f64 / (1u64 << 53) as f64
    }

    /// An hour of what a box has series of.
    fn kinds() -> Vec<(&'static str, Vec<f64>)> {
        let mut seed = 7;
        let (mut used, mut sent, mut asked) = (9e9, 1e12, 1e6);
        let hour = |mut value: Box<dyn FnMut(usize) -> f64 + '_>| (0..720).map(&mut value).collect::<Vec<f64>>();
        let mut all = vec![("constant", hour(Box::new(|_| 64e9)))];
        all.push((
            "ratio",
            hour(Box::new(|n| {
                let load = 0.3 + 0.2 * (n as f64 / 90.0).sin() + 0.1 * noise(&mut seed);
                (load * 10_000.0).round() / 10_000.0
            })),
        ));
        all.push((
            "memory",
            hour(Box::new(|_| {
                used += ((noise(&mut seed) - 0.5) * 200.0).round() * 4096.0;
                used
            })),
        ));
        all.push(("celsius", hour(Box::new(|n| (61.0 + 4.0 * (n as f64 / 200.0).sin() + noise(&mut seed)).round()))));
        all.push((
            "bytes_total",
            hour(Box::new(|_| {
                sent += (noise(&mut seed) * 9_000.0).round();
                sent
            })),
        ));
        all.push((
            "requests_total",
            hour(Box::new(|_| {
                asked += (noise(&mut seed) * 50.0).round();
                asked
            })),
        ));
        all.push(("errors_total", hour(Box::new(|n| (n / 300) as f64))));
        all
    }

    fn points(values: &[f64]) -> Vec<Point> {
        let start = 1_700_002_800_000;
        values.iter().enumerate().map(|(n, value)| Point::sample(start + n as i64 * 5_000, *value)).collect()
    }

    #[test]
    fn samples_come_back_to_the_last_bit_and_take_two_bytes_at_most() {
        let (mut bytes, mut count) = (0, 0);
        for (name, values) in kinds() {
            let points = points(&values);
            let packed = encode(&points, Resolution::Full, false).unwrap();
            assert_eq!(decode(&packed, points[0].at, Resolution::Full).unwrap(), points, "{name}");
            println!("{name}: {:.2} bytes a sample", packed.len() as f64 / 720.0);
            bytes += packed.len();
            count += points.len();
        }
        assert!(bytes <= 2 * count, "{bytes} bytes for {count} samples");
    }

    #[test]
    fn minutes_keep_their_extremes_and_counters_their_last_value() {
        for (name, values) in kinds() {
            let minutes = rolled_up(&points(&values), Resolution::Minute);
            let start = Resolution::Minute.chunk(minutes[0].at);
            let back = |is_counter| {
                let packed = encode(&minutes, Resolution::Minute, is_counter).unwrap();
                decode(&packed, start, Resolution::Minute).unwrap()
            };
            for (point, found) in minutes.iter().zip(back(false)) {
                let exact = |it: &Point| (it.at, it.count, it.min, it.max, it.last);
                assert_eq!(exact(&found), exact(point), "{name}");
                assert!((found.mean - point.mean).abs() <= point.mean.abs() * 1e-7, "{name}");
            }
            assert!(
                minutes
                    .iter()
                    .zip(back(true))
                    .all(|(point, found)| found.last == point.last && found.min == found.last)
            );
        }
    }

    #[test]
    fn odd_numbers_and_gaps_are_kept_and_damage_is_an_error() {
        let odd = [f64::NAN, f64::INFINITY, -0.0, f64::MIN_POSITIVE, 1e308];
        let points: Vec<Point> =
            odd.iter().zip([0, 7, 8, 300, 719]).map(|(v, n)| Point::sample(n * 5_000, *v)).collect();
        let packed = encode(&points, Resolution::Full, false).unwrap();
        let bits = |points: &[Point]| points.iter().map(|it| (it.at, it.last.to_bits())).collect::<Vec<_>>();
        assert_eq!(bits(&decode(&packed, 0, Resolution::Full).unwrap()), bits(&points));
        for cut in 0..packed.len() {
            assert!(decode(&packed[..cut], 0, Resolution::Full).is_err(), "{cut}");
        }
    }
}
