//! `multipart/form-data` as twine sends it, read piece by piece: a file of any size passes through a small buffer.

use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};

use crate::error::{Error, Result};

const MOST_HEAD_BYTES: usize = 16 << 10;
const MOST_FIELD_BYTES: usize = 2 << 20;

/// The body, and where in it we are.
pub struct Multipart {
    payload: web::Payload,
    buffer: BytesMut,
    /// `\r\n--…`
    delimiter: Vec<u8>,
    /// The bytes of the present part are all read.
    between: bool,
}

/// Head of a part.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub filename: Option<String>,
}

fn broken(why: &str) -> Error {
    Error::invalid(format!("The form cannot be read: {why}."))
}

impl Multipart {
    /// # Errors
    /// `invalid` for another kind of body.
    pub fn new(content_type: &str, payload: web::Payload) -> Result<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let boundary = content_type.split(';').find_map(|part| part.trim().strip_prefix("boundary="));
        let boundary = boundary.map(|text| text.trim_matches('"')).filter(|text| (1..=70).contains(&text.len()));
        match boundary {
            Some(boundary) if kind.eq_ignore_ascii_case("multipart/form-data") => Ok(Self {
                payload,
                // the first delimiter has no line before it
                buffer: BytesMut::from(&b"\r\n"[..]),
                delimiter: format!("\r\n--{boundary}").into_bytes(),
                between: false,
            }),
            _ => Err(broken("send multipart/form-data with its boundary, as twine does")),
        }
    }

    async fn fill(&mut self) -> Result<()> {
        match self.payload.next().await {
            Some(Ok(chunk)) => self.buffer.extend_from_slice(&chunk),
            Some(Err(cause)) => return Err(Error::invalid(format!("The upload broke off: {cause}"))),
            None => return Err(broken("it ends in the middle")),
        }
        Ok(())
    }

    /// The head of the next part; `None` at the end. What is left of the present one is passed over.
    pub async fn next(&mut self) -> Result<Option<Part>> {
        while self.chunk().await?.is_some() {}
        self.between = false;
        while self.buffer.len() < 2 {
            self.fill().await?;
        }
        if self.buffer.starts_with(b"--") {
            return Ok(None);
        }
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            if self.buffer.len() > MOST_HEAD_BYTES {
                return Err(broken("a part's head is too long"));
            }
            self.fill().await?;
        };
        let head = self.buffer.split_to(end + 4);
        let text = std::str::from_utf8(&head).map_err(|_| broken("a part's head is no text"))?;
        part(text).map(Some)
    }

    /// More bytes of the present part; `None` when it is over.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        if self.between {
            return Ok(None);
        }
        loop {
            if let Some(at) = find(&self.buffer, &self.delimiter) {
                if at > 0 {
                    return Ok(Some(self.buffer.split_to(at).freeze()));
                }
                let _ = self.buffer.split_to(self.delimiter.len());
                self.between = true;
                return Ok(None);
            }
            // what may be the beginning of a delimiter stays
            let safe = self.buffer.len().saturating_sub(self.delimiter.len());
            if safe > 0 {
                return Ok(Some(self.buffer.split_to(safe).freeze()));
            }
            self.fill().await?;
        }
    }

    /// The whole of a short part, as text.
    pub async fn text(&mut self) -> Result<String> {
        let mut all = vec![];
        while let Some(chunk) = self.chunk().await? {
            if all.len() + chunk.len() > MOST_FIELD_BYTES {
                return Err(Error::too_large(format!("A field of the form is larger than {MOST_FIELD_BYTES} bytes.")));
            }
            all.extend_from_slice(&chunk);
        }
        String::from_utf8(all).map_err(|_| broken("a field is no text"))
    }

    /// The present part as a stream.
    pub fn stream(&mut self) -> impl Stream<Item = Result<Bytes>> + Unpin + '_ {
        Box::pin(stream::try_unfold(self, |form| async move { Ok(form.chunk().await?.map(|chunk| (chunk, form))) }))
    }
}

fn part(head: &str) -> Result<Part> {
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then(|| value.trim())
    });
    let value = disposition.ok_or_else(|| broken("a part has no Content-Disposition"))?;
    let parameter = |name: &str| {
        let found = value.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        found.map(|text| text.trim_matches('"').to_owned())
    };
    let name = parameter("name").ok_or_else(|| broken("a part has no name"))?;
    Ok(Part { name, filename: parameter("filename") })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use actix_web::{FromRequest, test::TestRequest};

    use super::*;

    async fn form(body: &[u8], pieces: usize) -> Multipart {
        let chunks: Vec<_> = body
            .chunks(pieces)
            .map(|chunk| Ok::<_, actix_web::error::PayloadError>(Bytes::copy_from_slice(chunk)))
            .collect();
        let mut payload =
            actix_web::dev::Payload::from(Box::pin(stream::iter(chunks)) as std::pin::Pin<Box<dyn Stream<Item = _>>>);
        let payload =
            web::Payload::from_request(&TestRequest::default().to_http_request(), &mut payload).await.unwrap();
        Multipart::new("multipart/form-data; boundary=xyz", payload).unwrap()
    }

    const BODY: &[u8] = b"--xyz\r\nContent-Disposition: form-data; name=\":action\"\r\n\r\nfile_upload\r\n--xyz\r\n\
        Content-Disposition: form-data; name=\"content\"; filename=\"a.whl\"\r\nContent-Type: application/zip\r\n\r\n\
        \r\n--xy\r\n-bytes\r\n--xyz--\r\n";

    #[actix_web::test]
    async fn parts_come_whole_however_the_body_is_cut() {
        for pieces in [1, 2, 3, 7, 1000] {
            let mut form = form(BODY, pieces).await;
            assert_eq!(form.next().await.unwrap().unwrap().name, ":action");
            assert_eq!(form.text().await.unwrap(), "file_upload");
            let part = form.next().await.unwrap().unwrap();
            assert_eq!(part, Part { name: "content".into(), filename: Some("a.whl".into()) });
            assert_eq!(form.text().await.unwrap(), "\r\n--xy\r\n-bytes");
            assert_eq!(form.next().await.unwrap(), None);
        }
    }

    #[actix_web::test]
    async fn a_form_that_breaks_off_is_no_form() {
        for end in [5, 30, 60, 90, BODY.len() - 6] {
            let mut form = form(&BODY[..end], 1000).await;
            let mut failed = false;
            for _ in 0..3 {
                match form.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => failed = true,
                }
            }
            assert!(failed, "{end}");
        }
    }
}
