//! The S3 port with signatures that are wrong, in each way of signing, for each operation: refused, and nothing is written. And
//! uploads of other people: not there, and noted.

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use drydock_tests::{
    Api, Fault, Server,
    ledger::{BUCKET, Faces, location},
    raw,
    s3::{Request, S3, scope, sha256},
};
use reqwest::Method;
use serde_json::json;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const DELETE: &str = "<Delete><Object><Key>kept</Key></Object></Delete>";
const TAGS: &str = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
const VERSIONING: &str = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";

/// Method, path, query and body of an operation.
type Operation = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

const OPERATIONS: [Operation; 31] = [
    ("GET", "/", &[], ""),
    ("PUT", "/forged-bucket", &[], ""),
    ("HEAD", "/ledger", &[], ""),
    ("DELETE", "/ledger", &[], ""),
    ("GET", "/ledger", &[("list-type", "2")], ""),
    ("GET", "/ledger", &[], ""),
    ("GET", "/ledger", &[("versions", "")], ""),
    ("GET", "/ledger", &[("uploads", "")], ""),
    ("GET", "/ledger", &[("location", "")], ""),
    ("PUT", "/ledger", &[("versioning", "")], VERSIONING),
    ("GET", "/ledger", &[("versioning", "")], ""),
    ("PUT", "/ledger", &[("lifecycle", "")], "<LifecycleConfiguration/>"),
    ("GET", "/ledger", &[("lifecycle", "")], ""),
    ("PUT", "/ledger", &[("cors", "")], "<CORSConfiguration/>"),
    ("DELETE", "/ledger", &[("cors", "")], ""),
    ("POST", "/ledger", &[("delete", "")], DELETE),
    ("PUT", "/ledger/forged", &[], "bytes"),
    ("PUT", "/ledger/kept", &[], "other bytes"),
    ("GET", "/ledger/kept", &[], ""),
    ("HEAD", "/ledger/kept", &[], ""),
    ("DELETE", "/ledger/kept", &[], ""),
    ("PUT", "/ledger/kept", &[("tagging", "")], TAGS),
    ("GET", "/ledger/kept", &[("tagging", "")], ""),
    ("POST", "/ledger/forged", &[("uploads", "")], ""),
    ("PUT", "/ledger/forged", &[("partNumber", "1"), ("uploadId", "UPLOAD")], "bytes"),
    ("GET", "/ledger/forged", &[("uploadId", "UPLOAD")], ""),
    ("POST", "/ledger/forged", &[("uploadId", "UPLOAD")], "<CompleteMultipartUpload/>"),
    ("DELETE", "/ledger/forged", &[("uploadId", "UPLOAD")], ""),
    // what there is not
    ("DELETE", "/ledger/kept", &[("annotation", "")], ""),
    ("PUT", "/ledger/kept", &[("renameObject", "")], ""),
    ("DELETE", "/ledger", &[("metadataConfiguration", "")], ""),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Header,
    UnsignedPayload,
    Presigned,
    /// Chunks with a signature each.
    Chunks,
    /// Chunks without, and a check sum after them.
    UnsignedTrailer,
    /// Chunks with a signature each, and one of the check sum after them.
    Trailer,
    Nothing,
    OldVersion,
}

const MODES: [Mode; 8] = [
    Mode::Header,
    Mode::UnsignedPayload,
    Mode::Presigned,
    Mode::Chunks,
    Mode::UnsignedTrailer,
    Mode::Trailer,
    Mode::Nothing,
    Mode::OldVersion,
];

fn line(method: &str, path: &str, query: &[(&str, &str)]) -> String {
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{method} {path}{mark}{}", query.join("&"))
}

/// What is wrong though the head is well signed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spoil {
    Nothing,
    /// The chunks' own signatures.
    Chunks,
    /// The signature of what follows the chunks.
    Trailer,
    /// The check sum that follows them.
    Sum,
}

/// In base64, as S3 has it.
fn crc32(bytes: &[u8]) -> String {
    let step =
        |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 * (sum & 1)));
    let sum = !bytes.iter().fold(u32::MAX, step);
    STANDARD.encode(sum.to_be_bytes())
}

/// Sends an operation, signed by `by` in this way; `spoil` says what is wrong after a good head.
async fn send(by: &S3, mode: Mode, operation: Operation, upload: &str, spoil: Spoil) -> Result<raw::Answer> {
    let (method, path, query, body) = operation;
    let query: Vec<(&str, &str)> =
        query.iter().map(|(name, value)| (*name, if *value == "UPLOAD" { upload } else { *value })).collect();
    let plain = line(method, path, &query);
    let length = body.len().to_string();
    let signed =
        |payload: &str, headers: &[(&str, &str)]| by.sign(&Request { method, path, query: &query, headers, payload });
    // wrong on purpose where the rest is well signed, and right for the control
    let crc = format!(
        "x-amz-checksum-crc32:{}",
        if spoil == Spoil::Sum { "AAAAAA==".to_owned() } else { crc32(body.as_bytes()) }
    );
    match mode {
        Mode::Header => {
            let payload = if body.is_empty() { EMPTY.to_owned() } else { sha256(body.as_bytes()) };
            raw::exchange(by.host(), &plain, &signed(&payload, &[]).headers, body.as_bytes()).await
        }
        Mode::UnsignedPayload => {
            raw::exchange(by.host(), &plain, &signed("UNSIGNED-PAYLOAD", &[]).headers, body.as_bytes()).await
        }
        Mode::Presigned => {
            let line = format!("{method} {}", by.presign(method, path, &query));
            raw::exchange(by.host(), &line, &[], body.as_bytes()).await
        }
        Mode::Nothing => raw::exchange(by.host(), &plain, &[], body.as_bytes()).await,
        Mode::OldVersion => {
            let proof = ("authorization".to_owned(), format!("AWS {}:c2lnbmF0dXJl", by.access_key()));
            raw::exchange(by.host(), &plain, &[proof], body.as_bytes()).await
        }
        Mode::UnsignedTrailer => {
            let headers = [
                ("content-encoding", "aws-chunked"),
                ("x-amz-decoded-content-length", length.as_str()),
                ("x-amz-trailer", "x-amz-checksum-crc32"),
            ];
            let signed = signed("STREAMING-UNSIGNED-PAYLOAD-TRAILER", &headers);
            let chunk = if body.is_empty() { String::new() } else { format!("{:x}\r\n{body}\r\n", body.len()) };
            let sent = format!("{chunk}0\r\n{crc}\r\n\r\n");
            raw::exchange(by.host(), &plain, &signed.headers, sent.as_bytes()).await
        }
        Mode::Chunks | Mode::Trailer => {
            let trails = mode == Mode::Trailer;
            let mut headers =
                vec![("content-encoding", "aws-chunked"), ("x-amz-decoded-content-length", length.as_str())];
            let mut payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned();
            if trails {
                headers.push(("x-amz-trailer", "x-amz-checksum-crc32"));
                payload.push_str("-TRAILER");
            }
            let signed = signed(&payload, &headers);
            let (mut sent, mut before) = (String::new(), signed.signature);
            let chunks = if body.is_empty() { vec![""] } else { vec![body, ""] };
            for chunk in chunks {
                let text = format!(
                    "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{before}\n{EMPTY}\n{}",
                    signed.when,
                    scope(&signed.when),
                    sha256(chunk.as_bytes())
                );
                let mut signature = by.signature(&signed.when, &text);
                if spoil == Spoil::Chunks {
                    signature = "0".repeat(64);
                }
                sent.push_str(&format!("{:x};chunk-signature={signature}\r\n{chunk}", chunk.len()));
                if !chunk.is_empty() || !trails {
                    sent.push_str("\r\n");
                }
                before = signature;
            }
            if trails {
                let text = format!(
                    "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{before}\n{}",
                    signed.when,
                    scope(&signed.when),
                    sha256(format!("{crc}\n").as_bytes())
                );
                let is_wrong = spoil == Spoil::Trailer;
                let signature = if is_wrong { "0".repeat(64) } else { by.signature(&signed.when, &text) };
                sent.push_str(&format!("{crc}\r\nx-amz-trailer-signature:{signature}\r\n\r\n"));
            }
            raw::exchange(by.host(), &plain, &signed.headers, sent.as_bytes()).await
        }
    }
}

/// Everything a forger might have changed.
async fn as_before(s3: &S3, upload: &str) -> Result<()> {
    let listed = s3.good(Method::GET, &format!("/{BUCKET}"), &[("list-type", "2")], vec![]).await?.text().await?;
    ensure!(listed.matches("<Key>").count() == 1 && listed.contains("<Key>kept</Key>"), "{listed}");
    let kept = s3.good(Method::GET, &format!("/{BUCKET}/kept"), &[], vec![]).await?.bytes().await?;
    ensure!(kept == "kept".as_bytes(), "the object is another");
    let buckets = s3.good(Method::GET, "/", &[], vec![]).await?.text().await?;
    ensure!(!buckets.contains("forged"), "{buckets}");
    let path = format!("/{BUCKET}/forged");
    let parts = s3.good(Method::GET, &path, &[("uploadId", upload)], vec![]).await?.text().await?;
    ensure!(!parts.contains("<Part>"), "{parts}");
    let tags = s3.good(Method::GET, &format!("/{BUCKET}/kept"), &[("tagging", "")], vec![]).await?.text().await?;
    ensure!(!tags.contains("<Key>"), "{tags}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_signature_opens_nothing_in_any_way_of_signing() -> Result<()> {
    let fault =
        Fault::new("wrong signatures on the S3 port", MODES.len() * OPERATIONS.len(), MODES.len() * OPERATIONS.len());
    let server = Server::start().await?;
    let faces = Faces::of(&server).await?.with_bucket().await?;
    let s3 = &faces.s3;
    s3.good(Method::PUT, &format!("/{BUCKET}/kept"), &[], b"kept".to_vec()).await?;
    let upload = s3.begin(&format!("/{BUCKET}/forged")).await?;
    let forged = s3.forged();
    for operation in OPERATIONS {
        for mode in MODES {
            let answer = send(&forged, mode, operation, &upload, Spoil::Nothing).await?;
            // What is not even a signature may be called malformed.
            let refused = if mode == Mode::OldVersion { [400, 403] } else { [403, 403] };
            let what = format!("{mode:?} {operation:?}");
            ensure!(refused.contains(&answer.status), "{what}: {} {}", answer.head, answer.text());
        }
    }
    as_before(s3, &upload).await?;
    // A good head with chunks that are not signed so, or a check sum that is not theirs.
    let put = OPERATIONS[16];
    let spoiled = [
        (Mode::Chunks, Spoil::Chunks),
        (Mode::Trailer, Spoil::Chunks),
        (Mode::Trailer, Spoil::Trailer),
        (Mode::Trailer, Spoil::Sum),
        (Mode::UnsignedTrailer, Spoil::Sum),
    ];
    for (mode, spoil) in spoiled {
        let answer = send(s3, mode, put, &upload, spoil).await?;
        let what = format!("{mode:?} with wrong {spoil:?}");
        ensure!([400, 403].contains(&answer.status), "{what}: {} {}", answer.head, answer.text());
        as_before(s3, &upload).await.context(what)?;
    }
    // That the very same requests pass when they are signed well, else the refusals say nothing.
    for mode in MODES.into_iter().filter(|mode| ![Mode::Nothing, Mode::OldVersion].contains(mode)) {
        let answer = send(s3, mode, ("PUT", "/ledger/good", &[], "bytes"), &upload, Spoil::Nothing).await?;
        ensure!(answer.status == 200, "{mode:?}, signed well: {} {}", answer.head, answer.text());
        let kept = s3.good(Method::GET, "/ledger/good", &[], vec![]).await?.bytes().await?;
        ensure!(kept == "bytes".as_bytes(), "{mode:?}, signed well: kept {kept:?}");
        s3.good(Method::DELETE, "/ledger/good", &[], vec![]).await?;
    }
    fault.held("all refused, nothing was written, changed or told".into());
    Ok(())
}

async fn denials(admin: &Api, name: &str) -> Result<usize> {
    let rows = admin.get("/api/v1/audit?limit=200").await?;
    let rows = rows.as_array().or_else(|| rows["items"].as_array()).cloned().context("audit rows")?;
    let denials = ["upload.refuse", "repository.upload.refused"];
    Ok(rows.iter().filter(|row| row["actor"] == name && denials.iter().any(|it| row["action"] == *it)).count())
}

#[tokio::test]
async fn anothers_upload_is_not_there_and_asking_for_it_is_noted() -> Result<()> {
    let fault = Fault::new("another person's upload, on each face", 3, 3);
    let server = Server::start().await?;
    let faces = Faces::of(&server).await?.with_bucket().await?;
    let web = server.person(&faces.web, "mallory", "engineer").await?;
    let s3 = server.s3_of("mallory").await?;
    let registry = Api::anonymous(&server.registry_url())?.with_token(web.token());

    let path = format!("/{BUCKET}/mine");
    let upload = faces.s3.begin(&path).await?;
    let before = denials(&faces.web, "mallory").await?;
    for (method, query) in [
        (Method::PUT, vec![("partNumber", "1"), ("uploadId", upload.as_str())]),
        (Method::GET, vec![("uploadId", upload.as_str())]),
        (Method::DELETE, vec![("uploadId", upload.as_str())]),
    ] {
        let status = s3.status(method.clone(), &path, &query, vec![]).await?;
        ensure!(status == 404, "S3 {method} on another's upload: {status}");
    }
    ensure!(denials(&faces.web, "mallory").await? > before, "S3: nothing was noted");

    let before = denials(&faces.web, "mallory").await?;
    let begun = faces.registry.request(Method::POST, "/v2/mine/blobs/uploads/").send().await?;
    let place = location(&faces.registry, &begun)?;
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let status = registry.request(method.clone(), &place).send().await?.status();
        ensure!(status == 404, "registry {method} on another's upload: {status}");
    }
    ensure!(denials(&faces.web, "mallory").await? > before, "registry: nothing was noted");

    let before = denials(&faces.web, "mallory").await?;
    let uploads = format!("/api/v1/buckets/{BUCKET}/uploads");
    let begun = faces.web.post(&uploads, json!({"key": "page", "size_bytes": 10})).await?;
    let place = format!("{uploads}/{}", begun["id"].as_str().context("an id")?);
    let part = web.request(Method::PUT, &format!("{place}/parts/1")).body("0123456789").send().await?.status();
    ensure!(part == 404, "the page's upload of another: {part}");
    let ended = web.status(Method::DELETE, &place, None).await?;
    ensure!(ended == 404, "the page's upload of another, given up: {ended}");
    ensure!(denials(&faces.web, "mallory").await? > before, "the page: nothing was noted");
    fault.held("404 each time, and a row in the audit trail".into());
    Ok(())
}
