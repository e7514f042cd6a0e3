//! HTTP/1.1 by hand: what no library sends. Dots in paths stay, heads may be huge, bodies may never end.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request with this line (`GET /x HTTP/1.1` without the version) and these headers, and reads until the server closes.
pub async fn exchange(address: &str, line: &str, headers: &[(String, String)], body: &[u8]) -> Result<Answer> {
    let mut head = format!("{line} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| name == "host") {
        head.push_str(&format!("host: {address}\r\n"));
    }
    if !headers.iter().any(|(name, _)| name == "transfer-encoding" || name == "content-length") {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut socket = TcpStream::connect(address).await?;
    // The server may answer and close before it has read all.
    let _ = socket.write_all(head.as_bytes()).await;
    let _ = socket.write_all(body).await;
    answer(&mut socket).await
}

/// Reads an answer until the connection closes.
pub async fn answer(socket: &mut TcpStream) -> Result<Answer> {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(60), socket.read_to_end(&mut bytes)).await.context("no answer in 60 s")?;
    // A reset after the answer has arrived takes nothing from it.
    if let Err(cause) = read
        && bytes.is_empty()
    {
        return Err(cause.into());
    }
    parse(bytes)
}

fn parse(bytes: Vec<u8>) -> Result<Answer> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        bail!("no head in the answer: {:?}", String::from_utf8_lossy(&bytes));
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("an answer without a status")?;
    let body = bytes[end + 4..].to_vec();
    if status == 100 {
        return parse(body);
    }
    Ok(Answer { status, head, body })
}
