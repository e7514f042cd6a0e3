//! Hostile keys, names, digests and page sizes on the S3 port and the registry.

use anyhow::{Result, ensure};
use drydock_tests::{
    Fault, Server, Setup,
    ledger::{BUCKET, Faces, location},
    raw,
    s3::Request,
};
use reqwest::Method;

use super::paths::{HOSTILE, tree};

#[tokio::test]
async fn hostile_keys_and_names_stay_where_they_are_put_or_are_refused() -> Result<()> {
    let fault = Fault::new("hostile names: S3 keys, images, digests", HOSTILE.len(), HOSTILE.len());
    let around = tempfile::tempdir()?;
    std::fs::write(around.path().join("canary"), "sings")?;
    let data = around.path().join("data");
    let server = Server::start_as(Setup { data: Some(data), ..Setup::default() }).await?;
    let faces = Faces::of(&server).await?.with_bucket().await?;
    let before = tree(around.path());
    let mut count = 0;
    for name in HOSTILE {
        count += key(&faces, name).await? + image(&faces, name).await?;
    }
    count += digests(&faces).await?;
    // What is small lies in the database: no file may have come, wherever it was to go.
    ensure!(tree(around.path()) == before, "files came or went");
    fault.held(format!("{count} requests, none failed in the server or left the store"));
    Ok(())
}

/// A key is a name and no path: refused, or kept under exactly that name.
async fn key(faces: &Faces, name: &str) -> Result<usize> {
    let path = format!("/{BUCKET}/{name}");
    for method in ["PUT", "GET", "DELETE"] {
        let request = Request { method, path: &path, query: &[], headers: &[], payload: "UNSIGNED-PAYLOAD" };
        let signed = faces.s3.sign(&request);
        let body: &[u8] = if method == "PUT" { b"hostile" } else { b"" };
        let answer = raw::exchange(faces.s3.host(), &format!("{method} {path}"), &signed.headers, body).await?;
        ensure!(answer.status < 500, "{method} {path}: {} {}", answer.head, answer.text());
        let holds = method != "GET" || answer.status != 200 || answer.body == b"hostile";
        ensure!(holds, "{method} {path} answers something else: {}", answer.text());
    }
    Ok(3)
}

async fn image(faces: &Faces, name: &str) -> Result<usize> {
    let registry = faces.registry.url().replace("http://", "");
    let proof = ("authorization".to_owned(), format!("Bearer {}", faces.registry.token()));
    let lines = [
        format!("POST /v2/{name}/blobs/uploads/"),
        format!("GET /v2/{name}/tags/list"),
        format!("GET /v2/{name}/manifests/latest"),
        format!("GET /v2/a/manifests/{name}"),
        format!("PUT /v2/a/manifests/{name}"),
        format!("GET /v2/a/blobs/sha256:{name}"),
        format!("DELETE /v2/a/blobs/sha256:{name}"),
        format!("GET /v2/a/blobs/uploads/{name}"),
    ];
    for line in &lines {
        let answer = raw::exchange(&registry, line, std::slice::from_ref(&proof), b"").await?;
        ensure!((400..500).contains(&answer.status), "{line}: {} {}", answer.head, answer.text());
    }
    Ok(lines.len())
}

async fn digests(faces: &Faces) -> Result<usize> {
    let registry = &faces.registry;
    let address = registry.url().replace("http://", "");
    let proof = [("authorization".to_owned(), format!("Bearer {}", registry.token()))];
    let answer = raw::exchange(&address, "GET /v2/a/blobs/sha256:../../x", &proof, b"").await?;
    ensure!([400, 404].contains(&answer.status), "sha256:../../x: {} {}", answer.head, answer.text());
    let digests = ["sha256:../../x", "sha256:..%2f..%2fx", "sha256:", "md5:abc", "sha256:ABCDEF", "../../x", ""];
    for digest in digests {
        let begun = registry.request(Method::POST, "/v2/a/blobs/uploads/").send().await?;
        let place = location(registry, &begun)?;
        let mark = if place.contains('?') { '&' } else { '?' };
        let answer = raw::exchange(&address, &format!("PUT {place}{mark}digest={digest}"), &proof, b"x").await?;
        let says = answer.text().contains("DIGEST_INVALID");
        ensure!(answer.status == 400 && says, "{digest:?}: {} {}", answer.head, answer.text());
    }
    for size in ["2147483648", "9223372036854775808", "-1", "x"] {
        for path in [format!("/v2/_catalog?n={size}"), format!("/v2/a/tags/list?n={size}")] {
            let status = registry.status(Method::GET, &path, None).await?;
            ensure!(status < 500, "{path}: {status}");
        }
        for name in ["max-keys", "max-uploads"] {
            let of = if name == "max-uploads" { ("uploads", "") } else { ("list-type", "2") };
            let status = faces.s3.status(Method::GET, &format!("/{BUCKET}"), &[of, (name, size)], vec![]).await?;
            ensure!(status < 500, "{name}={size}: {status}");
        }
    }
    Ok(digests.len() + 17)
}
