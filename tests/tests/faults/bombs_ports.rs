//! What is far too much for the S3 port and the registry: endless bodies, entities within entities, a hundred thousand keys at once, a
//! manifest of a million entries. Refused, with memory and disk bounded.

use anyhow::{Context, Result, ensure};
use drydock_tests::{
    Fault,
    ledger::{BUCKET, Faces, location},
    raw,
    s3::{Request, S3, sha256},
};
use reqwest::Method;

use super::bombs::{CUT, Target, endless};

const LAUGHS: &str = "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">\
    <!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\"><!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;\">\
    <!ENTITY e \"&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;\"><!ENTITY f \"&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;\">\
    <!ENTITY g \"&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;\"><!ENTITY h \"&g;&g;&g;&g;&g;&g;&g;&g;&g;&g;\">]>";

async fn post(s3: &S3, method: &str, path: &str, query: &[(&str, &str)], body: &str) -> Result<raw::Answer> {
    let payload = sha256(body.as_bytes());
    let signed = s3.sign(&Request { method, path, query, headers: &[], payload: &payload });
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    raw::exchange(s3.host(), &format!("{method} {path}?{}", query.join("&")), &signed.headers, body.as_bytes()).await
}

#[tokio::test]
async fn xml_that_grows_or_never_ends_is_refused() -> Result<()> {
    let fault = Fault::new("XML bombs and 100,000-key DeleteObjects on the S3 port", 8, 20);
    let target = Target::new().await?;
    let faces = Faces::with(&target.server, target.admin.clone()).await?.with_bucket().await?;
    let kept = format!("/{BUCKET}/kept");
    faces.s3.good(Method::PUT, &kept, &[], b"kept".to_vec()).await?;
    let upload = faces.s3.begin(&format!("/{BUCKET}/open")).await?;
    let bucket = format!("/{BUCKET}");
    let keys: String = (0..100_000).map(|n| format!("<Object><Key>{n}</Key></Object>")).collect();
    let many = format!("<Delete>{keys}<Object><Key>kept</Key></Object></Delete>");
    let laugh = |inner: &str| format!("{LAUGHS}{inner}");
    let deep = format!("<Delete>{}", "<Object>".repeat(500_000));
    let parts: String =
        (1..200_000).map(|n| format!("<Part><PartNumber>{n}</PartNumber><ETag>x</ETag></Part>")).collect();
    let open = format!("/{BUCKET}/open");
    type Case<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>, String);
    let cases: Vec<Case<'_>> = vec![
        ("POST", &bucket, vec![("delete", "")], many),
        ("POST", &bucket, vec![("delete", "")], laugh("<Delete><Object><Key>&h;</Key></Object></Delete>")),
        (
            "PUT",
            &kept,
            vec![("tagging", "")],
            laugh("<Tagging><TagSet><Tag><Key>&h;</Key><Value>x</Value></Tag></TagSet></Tagging>"),
        ),
        ("POST", &bucket, vec![("delete", "")], deep),
        (
            "POST",
            &open,
            vec![("uploadId", &upload)],
            format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"),
        ),
        (
            "PUT",
            &bucket,
            vec![("versioning", "")],
            laugh("<VersioningConfiguration><Status>&h;</Status></VersioningConfiguration>"),
        ),
        (
            "PUT",
            &bucket,
            vec![("cors", "")],
            laugh("<CORSConfiguration><CORSRule><AllowedOrigin>&h;</AllowedOrigin></CORSRule></CORSConfiguration>"),
        ),
        (
            "PUT",
            &bucket,
            vec![("lifecycle", "")],
            laugh("<LifecycleConfiguration><Rule><ID>&h;</ID></Rule></LifecycleConfiguration>"),
        ),
    ];
    for number in 0..fault.count {
        let (method, path, query, body) = &cases[number % cases.len()];
        let answer = post(&faces.s3, method, path, query, body).await?;
        let what = format!("case {}: {} {}", number % cases.len(), answer.head, answer.text());
        ensure!([400, 413].contains(&answer.status), "{what}\n{}", target.server.printed());
    }
    let there = faces.s3.good(Method::GET, &kept, &[], vec![]).await?.bytes().await?;
    ensure!(there == "kept".as_bytes(), "a refused request has removed an object");
    let memory = target.is_well().await?;
    fault.held(format!("all refused, nothing was removed; at most {memory} MiB of memory"));
    Ok(())
}

#[tokio::test]
async fn endless_bodies_and_manifests_are_refused_on_the_other_ports() -> Result<()> {
    let fault = Fault::new("endless bodies and million-entry manifests: S3, registry", 3, 20);
    let target = Target::new().await?;
    let faces = Faces::with(&target.server, target.admin.clone()).await?.with_bucket().await?;
    let registry = faces.registry.url().replace("http://", "");
    let entry = "{\"mediaType\":\"x\",\"digest\":\"sha256:0\",\"size\":1},";
    let manifest = format!("{{\"schemaVersion\":2,\"layers\":[{}{{}}]}}", entry.repeat(1_000_000));
    for number in 0..fault.count {
        let answer = match number % 3 {
            0 => {
                let path = format!("/{BUCKET}/endless");
                let request =
                    Request { method: "PUT", path: &path, query: &[], headers: &[], payload: "UNSIGNED-PAYLOAD" };
                let signed = faces.s3.sign(&request);
                endless(faces.s3.host(), &format!("PUT {path}"), &signed.headers).await?.0
            }
            1 => {
                let begun = faces.registry.request(Method::POST, "/v2/bomb/blobs/uploads/").send().await?;
                let place = location(&faces.registry, &begun)?;
                let answer = endless(&registry, &format!("PATCH {place}"), &[target.proof()]).await?.0;
                // The upload itself is still open, with what was within the limit.
                let ended = faces.registry.status(Method::DELETE, &place, None).await?;
                ensure!([204, 404].contains(&ended), "giving it up: {ended}");
                answer
            }
            _ => {
                let kind = ("content-type".to_owned(), "application/vnd.oci.image.manifest.v1+json".to_owned());
                let line = "PUT /v2/bomb/manifests/latest";
                // A connection that is cut after enough is a refusal, too.
                let sent = raw::exchange(&registry, line, &[target.proof(), kind], manifest.as_bytes()).await;
                sent.unwrap_or(raw::Answer { status: CUT, head: String::new(), body: vec![] })
            }
        };
        ensure!(
            [CUT, 400, 411, 413].contains(&answer.status),
            "case {}: {} {}",
            number % 3,
            answer.head,
            answer.text()
        );
    }
    let status = faces.s3.status(Method::GET, &format!("/{BUCKET}/endless"), &[], vec![]).await?;
    ensure!(status == 404, "a refused object is there: {status}");
    let tags = faces.registry.status(Method::GET, "/v2/bomb/manifests/latest", None).await?;
    ensure!(tags == 404, "a refused manifest is there: {tags}");
    let memory = target.is_well().await.context("afterwards")?;
    fault.held(format!("all refused; at most {memory} MiB of memory"));
    Ok(())
}
