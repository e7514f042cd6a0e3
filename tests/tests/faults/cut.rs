//! The cable is pulled while something is being uploaded: the upload goes on from where it was, though the server still waits on
//! the connection that is gone.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{
    Fault, Server, Setup,
    ledger::{At, BUCKET, Deed, Faces, location},
    netns::Cable,
    s3::sha256,
};
use reqwest::Method;
use serde_json::{Value, json};

const MIB: usize = 1 << 20;
/// So slow that a cut comes in the middle, though the machine be busy: the least that is cut takes more than two and a half seconds.
const RATE: &str = "3M";

/// Sends `body` with curl from the far side, pulls the cable after a while, and plugs it in again.
async fn cut_off(cable: &Cable, method: &str, url: &str, headers: &[String], body: &[u8], after_ms: u64) -> Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), body)?;
    let path = file.path().display().to_string();
    let mut args = vec!["-s", "-X", method, "--limit-rate", RATE, "-H", "Expect:", "-T", &path];
    for header in headers {
        args.extend(["-H", header]);
    }
    args.push(url);
    let mut curl = cable.far("curl", &args)?;
    tokio::time::sleep(Duration::from_millis(after_ms)).await;
    cable.pull()?;
    // Whatever the client says at its end does not arrive.
    drydock_tests::disk::as_root("kill", &["-9".as_ref(), curl.id().to_string().as_ref()])?;
    curl.wait()?;
    cable.plug()
}

async fn server_on(cable: &Cable) -> Result<(Server, Faces)> {
    let environment = [("DRYDOCK_INSECURE_HTTP", "true")];
    let setup = Setup { environment: &environment, host: Some(&cable.here), ..Setup::default() };
    let server = Server::start_as(setup).await?;
    let faces = Faces::of(&server).await?.with_bucket().await?;
    Ok((server, faces))
}

/// A blob of an image: what has arrived stays, and the rest follows it.
async fn image(cable: &Cable, faces: &Faces, bytes: &[u8], after_ms: u64) -> Result<usize> {
    let registry = &faces.registry;
    let begun = registry.request(Method::POST, "/v2/cut/blobs/uploads/").send().await?;
    ensure!(begun.status() == 202, "begin: {}", begun.status());
    let place = location(registry, &begun)?;
    let headers = [format!("Authorization: Bearer {}", registry.token())];
    cut_off(cable, "PATCH", &format!("{}{place}", registry.url()), &headers, bytes, after_ms).await?;

    let state = registry.request(Method::GET, &place).send().await?;
    ensure!(state.status() == 204, "where it is: {}", state.status());
    let range = state.headers().get("range").and_then(|range| range.to_str().ok()).unwrap_or("0-0").to_owned();
    let last: usize = range.rsplit('-').next().and_then(|last| last.parse().ok()).context("a range")?;
    let there = if last == 0 { 0 } else { last + 1 };
    ensure!(there < bytes.len(), "all of it came through before the cut");
    let place = location(registry, &state).unwrap_or(place);
    let rest = registry.request(Method::PATCH, &place).header("content-range", format!("{there}-{}", bytes.len() - 1));
    let rest = rest.body(bytes[there..].to_vec()).send().await?;
    ensure!(rest.status() == 202, "the rest from {there} on: {} {}", rest.status(), rest.text().await?);
    let digest = format!("sha256:{}", sha256(bytes));
    let place = location(registry, &rest)?;
    let mark = if place.contains('?') { '&' } else { '?' };
    let ended = registry.request(Method::PUT, &format!("{place}{mark}digest={digest}")).send().await?;
    ensure!(ended.status() == 201, "the end: {} {}", ended.status(), ended.text().await?);
    let deed = Deed { acknowledged: true, ..Deed::new(At::Registry(format!("/v2/cut/blobs/{digest}")), bytes) };
    deed.check(faces).await?;
    Ok(there)
}

/// An S3 upload in parts: the part that was cut is not there, those before it are, and it is sent again.
async fn parts(cable: &Cable, faces: &Faces, bytes: &[u8], after_ms: u64, number: usize) -> Result<usize> {
    let path = format!("/{BUCKET}/cut/{number}");
    let upload = faces.s3.begin(&path).await?;
    let (first, second) = bytes.split_at(5 * MIB);
    let one = faces.s3.part(&path, &upload, 1, first.to_vec()).await?;
    let link = faces.s3.presign("PUT", &path, &[("partNumber", "2"), ("uploadId", &upload)]);
    let url = format!("http://{}{link}", faces.s3.host());
    cut_off(cable, "PUT", &url, &[], second, after_ms).await?;
    let listed = faces.s3.good(Method::GET, &path, &[("uploadId", &upload)], vec![]).await?.text().await?;
    ensure!(listed.matches("<Part>").count() == 1, "the cut part is listed: {listed}");
    let two = faces.s3.part(&path, &upload, 2, second.to_vec()).await?;
    faces.s3.complete(&path, &upload, &[one, two]).await?;
    let deed = Deed { acknowledged: true, ..Deed::new(At::Object(path), bytes) };
    deed.check(faces).await?;
    Ok(first.len())
}

/// The browser's upload: beginning it again says which parts are there.
async fn page(cable: &Cable, faces: &Faces, bytes: &[u8], after_ms: u64, number: usize) -> Result<usize> {
    let key = format!("page/{number}");
    let begin = json!({"key": key, "size_bytes": bytes.len(), "modified_at": 1});
    let path = format!("/api/v1/buckets/{BUCKET}/uploads");
    let upload = faces.web.post(&path, begin.clone()).await?;
    let size = upload["part_bytes"].as_u64().context("part_bytes")? as usize;
    let id = upload["id"].as_str().context("an id")?;
    let parts: Vec<&[u8]> = bytes.chunks(size).collect();
    let part = |number: usize| format!("{path}/{id}/parts/{}", number + 1);
    let cut = (parts.len() - 1).min(1);
    for (number, bytes) in parts.iter().enumerate().take(cut) {
        let sent = faces.web.request(Method::PUT, &part(number)).body(bytes.to_vec()).send().await?;
        ensure!(sent.status().is_success(), "part {number}: {}", sent.status());
    }
    let headers = [format!("Authorization: Bearer {}", faces.web.token())];
    cut_off(cable, "PUT", &format!("{}{}", faces.web.url(), part(cut)), &headers, parts[cut], after_ms).await?;

    let again = faces.web.post(&path, begin).await?;
    ensure!(again["id"] == upload["id"], "another upload was begun: {again}");
    let there: Vec<u64> =
        again["parts"].as_array().into_iter().flatten().filter_map(|one| one["number"].as_u64()).collect();
    ensure!(there == (1..=cut as u64).collect::<Vec<_>>(), "{there:?} of {} are said to be there", parts.len());
    for (number, bytes) in parts.iter().enumerate().skip(cut) {
        let sent = faces.web.request(Method::PUT, &part(number)).body(bytes.to_vec()).send().await?;
        ensure!(sent.status().is_success(), "part {number} again: {}", sent.status());
    }
    let _: Value = faces.web.post(&format!("{path}/{id}/complete"), json!({})).await?;
    let at = At::Web(format!("/api/v1/buckets/{BUCKET}/object/content?key={key}"));
    let deed = Deed { acknowledged: true, ..Deed::new(at, bytes) };
    deed.check(faces).await?;
    Ok(cut * size)
}

#[tokio::test]
async fn an_upload_goes_on_after_the_cable_was_pulled() -> Result<()> {
    let mut fault = Fault::new("the network cut in the middle of an upload", 6, 100);
    let cable = Cable::new()?;
    let (mut server, faces) = server_on(&cable).await?;
    let mut kept = 0;
    for number in 0..fault.count {
        // What is cut is all of it, what follows 5 MiB, or the second of the page's parts, which are of 8 MiB.
        let least = [9, 13, 17][number % 3];
        let size = least * MIB + fault.dice.index(3 * MIB);
        let (bytes, after_ms) = (fault.dice.bytes(size), 100 + fault.dice.below(700));
        kept += match number % 3 {
            0 => image(&cable, &faces, &bytes, after_ms).await.context("an image's blob")?,
            1 => parts(&cable, &faces, &bytes, after_ms, number).await.context("an S3 upload in parts")?,
            _ => page(&cable, &faces, &bytes, after_ms, number).await.context("an upload of the page")?,
        };
    }
    server.kill9().await?;
    fault.held(format!("all went on and were whole; {} MiB did not have to be sent again", kept >> 20));
    Ok(())
}
