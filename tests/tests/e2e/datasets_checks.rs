//! Every kind of rule over the API, with a version that keeps to it and one that breaks it: the report names column, rule, count
//! and rows. What versions are made from: a bucket; files that come in parts. And the first rows of what lies in a bucket.

use std::{os::unix::fs::MetadataExt, time::Duration};

use anyhow::Result;
use base64::{Engine, engine::general_purpose::STANDARD};
use drydock_tests::{Api, Server};
use reqwest::Method;
use serde_json::{Value, json};

use crate::browser_buckets::PARQUET;

const WINE: &str = "/api/v1/datasets/wine";

async fn file(api: &Api, path: &str, bytes: impl Into<Vec<u8>>) -> Result<Value> {
    let bytes = bytes.into();
    let size = bytes.len();
    Ok(json!({ "path": path, "digest": api.upload(bytes).await?, "size_bytes": size }))
}

/// A GIF of 2 times 3 pixels.
const GIF: &[u8] = b"GIF89a\x02\x00\x03\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x00;";

#[tokio::test]
async fn each_rule_passes_what_keeps_to_it_and_names_what_breaks_it() -> Result<()> {
    let server = Server::start().await?;
    let api = server.admin().await?;
    api.post("/api/v1/datasets", json!({ "name": "wine" })).await?;
    let good = "id,code,acid\n1,AB-1,3.1\n2,AB-2,3.2\n3,CD-3,3.3\n4,CD-4,3.4\n";
    let files = [file(&api, "red.csv", good).await?, file(&api, "labels/1.gif", GIF).await?];
    api.post(&format!("{WINE}/versions"), json!({ "files": files })).await?;
    // an id twice, a code of another form, everything sourer, a column more, a picture that is none
    let bad = "id,code,acid,note\n1,AB-1,9.1,\n2,ab2,9.2,\n2,CD-3,9.3,\n4,CD-4,9.4,x\n";
    let files = [file(&api, "red.csv", bad).await?, file(&api, "labels/2.gif", b"no picture".to_vec()).await?];
    api.post(&format!("{WINE}/versions"), json!({ "files": files, "base_version": "1" })).await?;
    let rules = json!({ "rules": [
        { "check": "unique", "column": "id" },
        { "check": "unique_together", "columns": ["id", "code"] },
        { "check": "regex", "column": "code", "pattern": "[A-Z]{2}-[0-9]" },
        { "check": "schema", "types": { "id": "integer", "code": "text", "acid": "float" }, "exact": true },
        { "check": "drift", "column": "acid", "against": "1", "max": 0.2 },
        { "check": "one_of", "column": "acid", "values": ["3.1", "3.2", "3.3", "3.4"] },
        { "check": "images", "min": 1, "min_width": 2 },
    ]});
    api.put(&format!("{WINE}/rules"), rules).await?;

    let sound = api.post(&format!("{WINE}/versions/1/validate"), json!({})).await?;
    assert_eq!(sound["passed"], true, "{sound}");
    let report = api.post(&format!("{WINE}/versions/2/validate"), json!({})).await?;
    let told: Vec<(&str, bool, u64, Value, &str)> = report["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let (rule, words) = (one["rule"]["check"].as_str().unwrap(), one["message"].as_str().unwrap());
            (rule, one["passed"] == true, one["failed_rows"].as_u64().unwrap(), one["samples"].clone(), words)
        })
        .collect();
    let none = || json!([]);
    let sour = json!([{ "line": 2, "value": "9.1" }, { "line": 3, "value": "9.2" }, { "line": 4, "value": "9.3" }, { "line": 5, "value": "9.4" }]);
    let expected = [
        ("unique", false, 1, json!([{ "line": 4, "value": "2" }]), "1 of 4 rows: an earlier row has the same `id`."),
        ("unique_together", true, 0, none(), "Each combination of `id` and `code` appears once."),
        ("regex", false, 1, json!([{ "line": 3, "value": "ab2" }]), "1 of 4 rows: `code` does not match the pattern."),
        ("schema", false, 0, none(), "`note` is not declared."),
        ("drift", false, 0, none(), "`acid` moved by 1.000 from 1, which is more than allowed (0.2)."),
        ("one_of", false, 4, sour, "4 of 4 rows: `acid` is not one of the allowed values."),
        ("images", false, 0, none(), "1 cannot be read: labels/2.gif."),
    ];
    assert_eq!(told, expected, "{report}");
    assert_eq!(report["results"][0]["rule"]["column"], "id");
    assert_eq!(report["results"][0]["file"], "red.csv");
    Ok(())
}

#[tokio::test]
async fn a_version_is_made_of_a_bucket_and_equal_files_are_kept_once() -> Result<()> {
    let server = Server::start().await?;
    let api = server.admin().await?;
    api.post("/api/v1/datasets", json!({ "name": "wine" })).await?;
    api.post("/api/v1/buckets", json!({ "name": "raw", "access": "private" })).await?;
    let large = vec![7u8; 300_000];
    for (key, bytes) in
        [("in/a.bin", &large), ("in/deep/b.bin", &large), ("in/t.csv", &b"id\n1\n".to_vec()), ("out/c", &large)]
    {
        let to = format!("/api/v1/buckets/raw/object?key={key}");
        assert_eq!(api.request(Method::PUT, &to).body(bytes.clone()).send().await?.status(), 200);
    }
    let wish = json!({ "bucket": "raw", "prefix": "in/", "into": "data", "message": "as it lay there" });
    let from = format!("{WINE}/versions/from-bucket");
    let made = api.post(&from, wish.clone()).await?;
    assert_eq!(made["version"]["source"], json!({ "from": "bucket", "bucket": "raw", "prefix": "in/" }), "{made}");
    let page = api.get(&format!("{WINE}/versions/1/files?flat=true")).await?;
    let paths: Vec<&str> = page["files"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["data/a.bin", "data/deep/b.bin", "data/t.csv"]);
    assert_eq!(page["files"][0]["digest"], page["files"][1]["digest"]);
    let again = api.post(&from, wish.clone()).await?;
    assert_eq!(again["created"], false, "{again}");

    // sent once more into another dataset, and still one file of that size on the disk
    api.post("/api/v1/datasets", json!({ "name": "copy" })).await?;
    let files = [file(&api, "x", large.clone()).await?, file(&api, "y", large.clone()).await?];
    api.post("/api/v1/datasets/copy/versions", json!({ "files": files })).await?;
    assert_eq!(files_of_size(&server.data_dir().join("blobs"), large.len() as u64)?, 1);

    // the object is replaced, the version has what was there
    api.request(Method::PUT, "/api/v1/buckets/raw/object?key=in/t.csv").body("id\n2\n").send().await?;
    let kept = api.request(Method::GET, &format!("{WINE}/versions/1/file?path=data%2Ft.csv")).send().await?;
    assert_eq!(kept.text().await?, "id\n1\n");
    // nobody takes from a bucket what they may not read there
    let person = server.person(&api, "mallory", "engineer").await?;
    assert_eq!(person.status(Method::POST, &from, Some(wish)).await?, 403);
    Ok(())
}

fn files_of_size(folder: &std::path::Path, size: u64) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => count += files_of_size(&entry.path(), size)?,
            false => count += usize::from(entry.metadata()?.len() == size),
        }
    }
    Ok(count)
}

#[tokio::test]
async fn a_file_comes_in_parts_and_goes_on_after_a_crash() -> Result<()> {
    let mut server = Server::start().await?;
    let api = server.admin().await?;
    let bytes: Vec<u8> = (0..20usize << 20).map(|i| (i * 7 % 253) as u8).collect();
    let wish = json!({ "key": "deep/large.bin", "size_bytes": bytes.len(), "modified_at": 1_700_000_000_123_i64 });
    let begun = api.post("/api/v1/uploads", wish.clone()).await?;
    assert_eq!(begun["parts"], json!([]), "{begun}");
    let part_bytes = usize::try_from(begun["part_bytes"].as_u64().unwrap())?;
    let parts: Vec<Vec<u8>> = bytes.chunks(part_bytes).map(<[u8]>::to_vec).collect();
    assert_eq!(parts.len(), 3);
    let here = format!("/api/v1/uploads/{}", begun["id"].as_str().unwrap());
    let send = async |api: &Api, number: usize, bytes: Vec<u8>| {
        let answer = api.request(Method::PUT, &format!("{here}/parts/{number}")).body(bytes).send().await?;
        Ok::<u16, anyhow::Error>(answer.status().as_u16())
    };
    assert_eq!(send(&api, 2, parts[1].clone()).await?, 200);
    assert_eq!(send(&api, 1, parts[0][1..].to_vec()).await?, 400, "a part is whole or not there");
    assert_eq!(send(&api, 4, parts[0].clone()).await?, 400);
    let early = api.send(Method::POST, &format!("{here}/complete"), None).await?;
    assert!(early.0 == 409 && early.1["message"].as_str().unwrap().contains("Part 1 of 3"), "{early:?}");
    server.kill9().await?;
    server.launch().await?;

    // the same file again goes on; an edited one, and somebody else's, begin anew
    let resumed = api.post("/api/v1/uploads", wish.clone()).await?;
    assert_eq!((&resumed["id"], &resumed["parts"][0]["number"]), (&begun["id"], &json!(2)), "{resumed}");
    let mut edited = wish.clone();
    edited["modified_at"] = json!(5);
    assert_eq!(api.post("/api/v1/uploads", edited).await?["parts"], json!([]));
    let person = server.person(&api, "erin", "engineer").await?;
    assert_eq!(person.post("/api/v1/uploads", wish.clone()).await?["parts"], json!([]));

    for number in [1, 3] {
        assert_eq!(send(&api, number, parts[number - 1].clone()).await?, 200);
    }
    let done = api.post(&format!("{here}/complete"), json!(null)).await?;
    // the answer may have got lost
    assert_eq!(api.post(&format!("{here}/complete"), json!(null)).await?, done);
    assert_eq!(api.post("/api/v1/uploads", wish.clone()).await?["parts"].as_array().map(Vec::len), Some(3));
    api.post("/api/v1/datasets", json!({ "name": "wine" })).await?;
    let file = json!({ "path": "large.bin", "digest": done["digest"], "size_bytes": bytes.len() });
    let version = json!({ "files": [file] });
    assert_eq!(person.status(Method::POST, &format!("{WINE}/versions"), Some(version.clone())).await?, 400);
    api.post(&format!("{WINE}/versions"), version).await?;
    let kept = api.request(Method::GET, &format!("{WINE}/versions/1/file?path=large.bin")).send().await?;
    assert!(kept.bytes().await? == bytes, "the bytes are others");

    // given up, nothing of it is left
    let mut other = wish;
    other["key"] = json!("other.bin");
    let begun = api.post("/api/v1/uploads", other.clone()).await?;
    let there = format!("/api/v1/uploads/{}", begun["id"].as_str().unwrap());
    api.request(Method::PUT, &format!("{there}/parts/1")).body(parts[0].clone()).send().await?;
    api.delete(&there).await?;
    assert_eq!(api.post("/api/v1/uploads", other).await?["parts"], json!([]));
    let vast = format!("/api/v1/uploads/{}-{}/parts/1", u64::MAX, "0".repeat(32));
    assert_eq!(api.request(Method::PUT, &vast).body("x").send().await?.status(), 413);
    for bad in ["x", "12-zz", "../../etc", "9-0123456789abcdef0123456789abcdeg"] {
        let to = format!("/api/v1/uploads/{}/complete", bad.replace('/', "%2F"));
        assert_eq!(api.status(Method::POST, &to, None).await?, 404, "{bad}");
    }
    Ok(())
}

#[tokio::test]
async fn two_jobs_read_one_file_that_is_the_store_s_own() -> Result<()> {
    let server = Server::start().await?;
    let api = server.admin().await?;
    api.post("/api/v1/datasets", json!({ "name": "wine" })).await?;
    let files = [file(&api, "in/large.bin", vec![9u8; 500_000]).await?];
    api.post(&format!("{WINE}/versions"), json!({ "files": files })).await?;
    let look = "import os; s = os.stat('/data/wine/in/large.bin'); print('inode', s.st_ino, 'bytes', s.st_size)";
    let mut seen = vec![];
    for name in ["first", "second"] {
        let wish = json!({ "name": name, "command": ["python3", "-c", look], "datasets": [{ "name": "wine" }],
            "resources": { "cpus": 0.5, "memory_bytes": 1u64 << 28, "gpus": 0 } });
        let job = api.submit_with(wish).await?;
        let end = api.finished(&job, Duration::from_secs(240)).await?;
        assert_eq!(end["summary"]["state"], "succeeded", "{end}");
        let (_, log) = api.send(Method::GET, &format!("/api/v1/jobs/{job}/log"), None).await?;
        let log = log.as_str().unwrap_or_default().to_owned();
        seen.push(log.lines().find(|line| line.contains("inode")).unwrap_or_default().to_owned());
    }
    let folder = std::fs::read_dir(server.data_dir().join("run/datasets"))?.filter_map(Result::ok);
    let laid: Vec<_> = folder.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    assert_eq!(laid.len(), 1, "{laid:?}");
    let there = std::fs::metadata(laid[0].join("in/large.bin"))?;
    assert!(there.nlink() >= 2, "a hard link to the store's file");
    let expected = format!("inode {} bytes 500000", there.ino());
    assert!(seen.iter().all(|line| line.contains(&expected)), "{expected}: {seen:?}");
    Ok(())
}

#[tokio::test]
async fn the_tables_of_a_bucket_are_previewed_however_they_came() -> Result<()> {
    let server = Server::start().await?;
    let api = server.admin().await?;
    api.post("/api/v1/buckets", json!({ "name": "raw", "access": "private", "versioned": true })).await?;
    let put = async |key: &str, bytes: Vec<u8>| {
        let to = format!("/api/v1/buckets/raw/object?key={key}");
        assert_eq!(api.request(Method::PUT, &to).body(bytes).send().await?.status(), 200);
        Ok::<(), anyhow::Error>(())
    };
    let look = async |key: &str| api.get(&format!("/api/v1/buckets/raw/object/preview?key={key}")).await;
    put("wine.parquet", STANDARD.decode(PARQUET)?).await?;
    let shown = look("wine.parquet").await?;
    assert_eq!(shown["rows"], json!([["Red", "91"], ["White", "88"], ["Rosé", null]]), "{shown}");
    assert_eq!((&shown["total_rows"], &shown["columns"][1]["kind"]), (&json!(3), &json!("int64")), "{shown}");
    put("a.jsonl", b"{\"a\": 1}\n{\"b\": \"x\"}\n".to_vec()).await?;
    let shown = look("a.jsonl").await?;
    assert_eq!((&shown["kind"], &shown["total_rows"]), (&json!("table"), &json!(2)), "{shown}");
    put("none.parquet", b"PAR1 no".to_vec()).await?;
    assert!(look("none.parquet").await?["note"].as_str().unwrap().contains("Parquet"));

    // an object that lies in parts, and an older version of one
    let text: String = "id;acid\n".chars().chain("1;2,5\n".repeat(1_600_000).chars()).collect();
    let wish = json!({ "key": "large.csv", "size_bytes": text.len() });
    let begun = api.post("/api/v1/buckets/raw/uploads", wish).await?;
    let here = format!("/api/v1/buckets/raw/uploads/{}", begun["id"].as_str().unwrap());
    let part_bytes = usize::try_from(begun["part_bytes"].as_u64().unwrap())?;
    for (n, part) in text.as_bytes().chunks(part_bytes).enumerate() {
        let sent = api.request(Method::PUT, &format!("{here}/parts/{}", n + 1)).body(part.to_vec()).send().await?;
        assert_eq!(sent.status(), 200);
    }
    api.post(&format!("{here}/complete"), Value::Null).await?;
    let shown = look("large.csv").await?;
    assert_eq!((&shown["kind"], &shown["truncated"]), (&json!("table"), &json!(true)), "{shown}");
    assert_eq!((shown["columns"].as_array().map(Vec::len), &shown["rows"][0]), (Some(2), &json!(["1", "2,5"])));
    put("ragged.csv", b"a,b\n1,2\n3\n".to_vec()).await?;
    let ragged = look("ragged.csv").await?;
    assert_eq!(ragged["rows"], json!([["1", "2"]]), "{ragged}");
    assert!(ragged["note"].as_str().unwrap().contains("Line 3"), "{ragged}");
    let detail = api.get("/api/v1/buckets/raw/object?key=large.csv").await?;
    let version = detail["versions"][0]["version_id"].as_str().unwrap().to_owned();
    put("large.csv", b"other\n1\n".to_vec()).await?;
    let old = look(&format!("large.csv&version={version}")).await?;
    assert_eq!((&old["columns"], &old["rows"]), (&shown["columns"], &shown["rows"]));

    let person = server.person(&api, "mallory", "engineer").await?;
    let asked = "/api/v1/buckets/raw/object/preview?key=wine.parquet";
    assert_eq!(person.status(Method::GET, asked, None).await?, 403);
    assert_eq!(api.status(Method::GET, "/api/v1/buckets/raw/object/preview?key=nothing", None).await?, 404);
    Ok(())
}
