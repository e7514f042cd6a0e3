//! The images of a version: how many of which format and class, how large, and which cannot be read. Of each only the beginning
//! and the end are read; of very many, evenly chosen ones.

use std::collections::BTreeMap;

use bytes::Bytes;
use drydock_wire::datasets::{BrokenImage, ImageProfile, ImageSpan, ValueCount};
use futures_util::StreamExt;
use imagesize::ImageType;

use super::manifest::{Entry, Manifest};
use crate::app::App;
use crate::error::Result;
use crate::objects;

/// Images that are opened.
const MEASURED: u64 = 20_000;
const CLASSES: usize = 200;
/// A folder of its own for each image is no class: so many are counted.
const CLASSES_COUNTED: usize = 100_000;
const BROKEN: usize = 20;
/// Of the beginning; pictures from cameras have a small picture before their size.
const HEAD_BYTES: [u64; 2] = [32 << 10, 1 << 20];
const TAIL_BYTES: u64 = 4 << 10;

pub fn is_image(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["jpg", "jpeg", "png", "gif", "webp", "bmp", "tif", "tiff", "avif", "heic"].contains(&extension)
}

/// Nothing when the version has no image.
pub async fn profile(app: &App, manifest: &Manifest) -> Result<Option<ImageProfile>> {
    let (mut files, mut count) = (manifest.files(), 0_u64);
    let mut classes: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(entry) = files.next().await? {
        if is_image(&entry.path) {
            count += 1;
            let folder = entry.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let has_room = classes.len() < CLASSES_COUNTED;
            match classes.get_mut(folder) {
                Some(images) => *images += 1,
                None if has_room => drop(classes.insert(folder.to_owned(), 1)),
                None => {}
            }
        }
    }
    if count == 0 {
        return Ok(None);
    }
    let mut sums = Sums::default();
    let step = count.div_ceil(MEASURED);
    let (mut files, mut place) = (manifest.files(), 0_u64);
    while let Some(entry) = files.next().await? {
        if !is_image(&entry.path) {
            continue;
        }
        if place.is_multiple_of(step) {
            sums.add(app, entry).await?;
        }
        place += 1;
    }
    let class_count = classes.len() as u64;
    let shown = classes.into_iter().take(CLASSES).map(|(value, count)| ValueCount { value, count }).collect();
    Ok(Some(sums.finish(count, shown, class_count)))
}

#[derive(Default)]
struct Sums {
    measured: u64,
    formats: BTreeMap<&'static str, u64>,
    width: Span,
    height: Span,
    broken_count: u64,
    broken: Vec<BrokenImage>,
}

#[derive(Default)]
struct Span {
    count: u64,
    min: u64,
    max: u64,
    sum: f64,
}

impl Span {
    fn add(&mut self, value: u64) {
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.sum += value as f64;
        self.count += 1;
    }

    fn finish(&self) -> Option<ImageSpan> {
        let mean = self.sum / self.count.max(1) as f64;
        (self.count > 0).then_some(ImageSpan { min: self.min, max: self.max, mean })
    }
}

impl Sums {
    async fn add(&mut self, app: &App, entry: Entry) -> Result<()> {
        self.measured += 1;
        // one damaged image is told like any other that cannot be read
        let measured = match measure(app, &entry).await {
            Err(error) if objects::is_damage(&error) => Err(error.message),
            measured => measured?,
        };
        match measured {
            Ok((format, width, height)) => {
                *self.formats.entry(format).or_default() += 1;
                self.width.add(width);
                self.height.add(height);
            }
            Err(problem) => {
                self.broken_count += 1;
                if self.broken.len() < BROKEN {
                    self.broken.push(BrokenImage { path: entry.path, problem });
                }
            }
        }
        Ok(())
    }

    fn finish(self, count: u64, classes: Vec<ValueCount>, class_count: u64) -> ImageProfile {
        let mut formats: Vec<ValueCount> =
            self.formats.into_iter().map(|(value, count)| ValueCount { value: value.to_owned(), count }).collect();
        formats.sort_by_key(|format| std::cmp::Reverse(format.count));
        ImageProfile {
            count,
            measured: self.measured,
            formats,
            classes,
            class_count,
            width: self.width.finish(),
            height: self.height.finish(),
            broken_count: self.broken_count,
            broken: self.broken,
        }
    }
}

/// Format, width and height; or what is wrong, in words.
async fn measure(app: &App, entry: &Entry) -> Result<std::result::Result<(&'static str, u64, u64), String>> {
    if entry.size_bytes == 0 {
        return Ok(Err("The file is empty.".into()));
    }
    let digest = entry.digest_hex();
    let mut size = None;
    let mut head = Bytes::new();
    for most in HEAD_BYTES {
        head = range(app, &digest, 0, most.min(entry.size_bytes)).await?;
        size = imagesize::blob_size(&head).ok();
        if size.is_some() || entry.size_bytes <= most {
            break;
        }
    }
    let Ok(kind) = imagesize::image_type(&head) else {
        return Ok(Err("It is no image of a known format.".into()));
    };
    let Some(size) = size else { return Ok(Err("Its size cannot be read; the file is damaged.".into())) };
    let tail = range(app, &digest, entry.size_bytes.saturating_sub(TAIL_BYTES), entry.size_bytes).await?;
    let has = |mark: &[u8]| tail.windows(mark.len()).any(|window| window == mark);
    let (word, is_whole) = match kind {
        ImageType::Png => ("PNG", has(b"IEND")),
        ImageType::Jpeg => ("JPEG", has(&[0xff, 0xd9])),
        ImageType::Gif => ("GIF", has(&[0x3b])),
        ImageType::Webp => ("WebP", true),
        ImageType::Bmp => ("BMP", true),
        ImageType::Tiff => ("TIFF", true),
        _ => ("other", true),
    };
    if !is_whole {
        return Ok(Err(format!("The {word} ends too early; the rest of the file is missing.")));
    }
    Ok(Ok((word, size.width as u64, size.height as u64)))
}

async fn range(app: &App, digest: &str, from: u64, to: u64) -> Result<Bytes> {
    let (_, mut body) = app.objects.stream(digest, Some((from, to))).await?;
    let mut all = Vec::with_capacity(usize::try_from(to - from).unwrap_or(0));
    while let Some(chunk) = body.next().await {
        all.extend_from_slice(&chunk.map_err(|cause| objects::stream_error(digest, cause))?);
    }
    Ok(Bytes::from(all))
}
