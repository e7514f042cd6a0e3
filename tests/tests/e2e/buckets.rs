//! Buckets through the native API: who may what, versions, uploads that go on after a cut, links.

use std::time::Duration;

use anyhow::{Context, Result};
use drydock_tests::{Api, Server};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PART: usize = 8 << 20;

pub async fn bucket(api: &Api, name: &str, access: &str, versioned: bool) -> Result<Value> {
    api.post("/api/v1/buckets", json!({ "name": name, "access": access, "versioned": versioned })).await
}

pub async fn write(api: &Api, bucket: &str, key: &str, body: impl Into<reqwest::Body>) -> Result<u16> {
    let path = format!("/api/v1/buckets/{bucket}/object?key={key}");
    Ok(api.request(Method::PUT, &path).body(body).send().await?.status().as_u16())
}

pub async fn read(api: &Api, bucket: &str, key: &str) -> Result<(u16, String)> {
    let path = format!("/api/v1/buckets/{bucket}/object/content?key={key}");
    let answer = api.request(Method::GET, &path).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

fn names(list: &Value, of: &str, field: &str) -> Vec<String> {
    let items = list[of].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item.as_str().or_else(|| item[field].as_str()).unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn folders_are_listed_page_by_page_and_searched() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    bucket(&admin, "data", "project", false).await?;
    for key in ["a.csv", "raw/1.csv", "raw/2.csv", "raw/deep/3.csv", "z.txt"] {
        assert_eq!(write(&admin, "data", key, "x,y\n1,2\n").await?, 200);
    }
    let top = admin.get("/api/v1/buckets/data/objects").await?;
    assert_eq!(names(&top, "folders", ""), ["raw/"]);
    assert_eq!(names(&top, "objects", "key"), ["a.csv", "z.txt"]);
    assert_eq!(top["objects"][0]["content_type"], "text/csv");

    let (mut seen, mut page) = (vec![], String::new());
    for _ in 0..10 {
        let list = admin.get(&format!("/api/v1/buckets/data/objects?limit=1&page={page}")).await?;
        seen.extend(names(&list, "folders", ""));
        seen.extend(names(&list, "objects", "key"));
        match list["next"].as_str() {
            Some(next) => page = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["a.csv", "raw/", "z.txt"]);

    let found = admin.get("/api/v1/buckets/data/objects?prefix=raw/&search=3").await?;
    assert_eq!(names(&found, "objects", "key"), ["raw/deep/3.csv"]);
    let preview = admin
        .post(
            "/api/v1/buckets/data/objects/delete",
            json!({ "prefixes": ["raw/"], "keys": ["z.txt"], "preview": true }),
        )
        .await?;
    assert_eq!((&preview["count"], &preview["size_bytes"]), (&json!(4), &json!(32)));
    let gone =
        admin.post("/api/v1/buckets/data/objects/delete", json!({ "prefixes": ["raw/"], "keys": ["z.txt"] })).await?;
    assert_eq!(gone["count"], 4);
    let trail = admin.list("/api/v1/audit?limit=50").await?;
    let told: Vec<_> = trail.iter().filter(|row| row["action"] == "object.delete").map(|row| &row["subject"]).collect();
    assert_eq!(told, ["bucket/data", "bucket/data"], "one for the named, one for the folder");
    let left = admin.get("/api/v1/buckets/data/objects").await?;
    assert_eq!((names(&left, "folders", ""), names(&left, "objects", "key")), (vec![], vec!["a.csv".to_owned()]));
    assert_eq!(admin.status(Method::DELETE, "/api/v1/buckets/data", None).await?, 409);
    assert_eq!(admin.status(Method::DELETE, "/api/v1/buckets/data?with_objects=true", None).await?, 204);
    assert_eq!(admin.status(Method::GET, "/api/v1/buckets/data", None).await?, 404);
    Ok(())
}

#[tokio::test]
async fn each_person_opens_what_is_theirs_to_open() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let (erin, otto) =
        (server.person(&admin, "erin", "engineer").await?, server.person(&admin, "otto", "engineer").await?);
    let vera = server.person(&admin, "vera", "viewer").await?;
    bucket(&erin, "mine", "private", false).await?;
    bucket(&erin, "ours", "project", false).await?;
    assert_eq!(write(&erin, "mine", "a.txt", "mine").await?, 200);
    assert_eq!(write(&erin, "ours", "a.txt", "ours").await?, 200);

    let seen = |list: Vec<Value>| {
        list.iter().map(|one| one["name"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(seen(admin.list("/api/v1/buckets").await?), ["mine", "ours"]);
    for stranger in [&otto, &vera] {
        assert_eq!(seen(stranger.list("/api/v1/buckets").await?), ["ours"]);
        assert_eq!(read(stranger, "mine", "a.txt").await?.0, 403);
        assert_eq!(read(stranger, "ours", "a.txt").await?, (200, "ours".to_owned()));
        let settings = json!({ "access": "project", "versioning": "off", "quota_bytes": null });
        assert_eq!(stranger.status(Method::PUT, "/api/v1/buckets/ours", Some(settings)).await?, 403);
        assert_eq!(stranger.status(Method::DELETE, "/api/v1/buckets/ours", None).await?, 403);
    }
    assert_eq!(write(&otto, "ours", "b.txt", "b").await?, 200);
    assert_eq!(write(&vera, "ours", "c.txt", "c").await?, 403);
    assert_eq!(write(&otto, "mine", "b.txt", "b").await?, 403);

    // A grant opens it, to write only where it says so, and never beyond the role.
    let with =
        |grants: Value| json!({ "access": "private", "versioning": "off", "quota_bytes": 1000, "grants": grants });
    erin.put("/api/v1/buckets/mine", with(json!([{ "username": "otto", "may_write": false }]))).await?;
    assert_eq!((read(&otto, "mine", "a.txt").await?.0, write(&otto, "mine", "b.txt", "b").await?), (200, 403));
    let both = json!([{ "username": "otto", "may_write": true }, { "username": "vera", "may_write": true }]);
    let detail = erin.put("/api/v1/buckets/mine", with(both)).await?;
    assert_eq!(detail["grants"].as_array().map(Vec::len), Some(2), "{detail}");
    assert_eq!((read(&vera, "mine", "a.txt").await?.0, write(&otto, "mine", "b.txt", "b").await?), (200, 200));
    assert_eq!(write(&vera, "mine", "c.txt", "c").await?, 403);
    let nobody = erin
        .status(Method::PUT, "/api/v1/buckets/mine", Some(with(json!([{ "username": "x", "may_write": true }]))))
        .await?;
    assert_eq!(nobody, 400);
    // Those who do not decide on it are not told who else may.
    assert_eq!(otto.get("/api/v1/buckets/mine").await?["grants"], json!([]));

    // The quota counts.
    assert_eq!(write(&otto, "mine", "large", vec![b'x'; 2000]).await?, 403);
    let begun = json!({ "key": "large", "size_bytes": 2000 });
    assert_eq!(otto.status(Method::POST, "/api/v1/buckets/mine/uploads", Some(begun)).await?, 403);
    let trail = admin.list("/api/v1/audit?limit=200").await?;
    for action in ["bucket.create", "bucket.update"] {
        assert!(trail.iter().any(|row| row["action"] == action), "{action}");
    }
    Ok(())
}

#[tokio::test]
async fn versions_come_back_and_go_for_good() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    bucket(&admin, "data", "project", true).await?;
    for text in ["one", "two"] {
        write(&admin, "data", "a.txt", text).await?;
    }
    let object = "/api/v1/buckets/data/object?key=a.txt";
    let detail = admin.get(object).await?;
    let versions = detail["versions"].as_array().context("versions")?.clone();
    assert_eq!(versions.len(), 2, "{detail}");
    let first = versions[1]["version_id"].as_str().context("an id")?.to_owned();
    let old = admin.request(Method::GET, &format!("/api/v1/buckets/data/object/content?key=a.txt&version={first}"));
    assert_eq!(old.send().await?.text().await?, "one");

    // Deleted, it is gone from the list; its page still has the versions, and one of them restores it.
    admin.delete(object).await?;
    assert_eq!(names(&admin.get("/api/v1/buckets/data/objects").await?, "objects", "key"), Vec::<String>::new());
    assert_eq!(read(&admin, "data", "a.txt").await?.0, 404);
    let hidden = admin.get(object).await?;
    assert_eq!(
        (&hidden["versions"][0]["is_delete_marker"], &hidden["object"]["size_bytes"]),
        (&json!(true), &json!(3))
    );
    admin.post("/api/v1/buckets/data/object/restore", json!({ "key": "a.txt", "version_id": first })).await?;
    assert_eq!(read(&admin, "data", "a.txt").await?, (200, "one".to_owned()));
    assert_eq!(admin.get(object).await?["versions"].as_array().map(Vec::len), Some(4));

    admin.delete(&format!("{object}&version={first}")).await?;
    assert_eq!(admin.status(Method::GET, &format!("{object}&version={first}"), None).await?, 404);
    Ok(())
}

/// Sends the head of a PUT and a piece of its body, and hangs up.
async fn cut_off(server: &Server, api: &Api, path: &str, length: usize) -> Result<()> {
    let address = server.url().trim_start_matches("http://").to_owned();
    let mut socket = tokio::net::TcpStream::connect(&address).await?;
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\ncontent-length: {length}\r\n\r\n",
        api.token()
    );
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(&vec![7; length / 2]).await?;
    socket.shutdown().await?;
    let mut answer = vec![];
    let _ = tokio::time::timeout(Duration::from_secs(30), socket.read_to_end(&mut answer)).await;
    Ok(())
}

#[tokio::test]
async fn an_upload_goes_on_after_its_connection_was_cut() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    let (erin, otto) =
        (server.person(&admin, "erin", "engineer").await?, server.person(&admin, "otto", "engineer").await?);
    bucket(&erin, "data", "project", false).await?;
    let bytes: Vec<u8> = (0..2 * PART + 1000).map(|i| (i * 31 % 251) as u8).collect();
    let wish = json!({ "key": "big/file.bin", "size_bytes": bytes.len(), "modified_at": 7 });
    let begun = erin.post("/api/v1/buckets/data/uploads", wish.clone()).await?;
    assert_eq!((&begun["part_bytes"], &begun["parts"]), (&json!(PART), &json!([])));
    let id = begun["id"].as_str().context("an id")?.to_owned();
    let part = |number: usize| format!("/api/v1/buckets/data/uploads/{id}/parts/{number}");
    let send = |api: Api, number: usize, body: Vec<u8>| {
        let path = part(number);
        async move { Ok::<_, anyhow::Error>(api.request(Method::PUT, &path).body(body).send().await?.status()) }
    };
    let slice = |number: usize| bytes[(number - 1) * PART..(number * PART).min(bytes.len())].to_vec();

    assert_eq!(send(erin.clone(), 1, slice(1)).await?, StatusCode::OK);
    cut_off(&server, &erin, &part(2), PART).await?;
    server.restart().await?;
    // The same file again: what arrived is there, the half part is not.
    let again = erin.post("/api/v1/buckets/data/uploads", wish).await?;
    assert_eq!(again["id"], begun["id"]);
    assert_eq!(again["parts"], json!([{ "number": 1, "size_bytes": PART }]));
    let early = erin.status(Method::POST, &format!("/api/v1/buckets/data/uploads/{id}/complete"), None).await?;
    assert_eq!(early, 409);
    assert_eq!(send(erin.clone(), 2, slice(2)[1..].to_vec()).await?, StatusCode::BAD_REQUEST, "a part of another size");
    assert_eq!(send(erin.clone(), 4, vec![1]).await?, StatusCode::BAD_REQUEST, "a part too many");

    // Nobody else goes on with it, admins included, and the try leaves a trace.
    for stranger in [&otto, &admin] {
        assert_eq!(send(stranger.clone(), 2, slice(2)).await?, StatusCode::NOT_FOUND);
        let complete = format!("/api/v1/buckets/data/uploads/{id}/complete");
        assert_eq!(stranger.status(Method::POST, &complete, None).await?, 404);
        assert_eq!(stranger.status(Method::DELETE, &format!("/api/v1/buckets/data/uploads/{id}"), None).await?, 404);
    }
    let trail = admin.list("/api/v1/audit?limit=50").await?;
    assert!(trail.iter().filter(|row| row["action"] == "upload.refuse").count() >= 6);

    assert_eq!(send(erin.clone(), 3, slice(3)).await?, StatusCode::OK);
    assert_eq!(send(erin.clone(), 2, slice(2)).await?, StatusCode::OK);
    for _ in 0..2 {
        // asked twice, as after a lost answer
        let made = erin.post(&format!("/api/v1/buckets/data/uploads/{id}/complete"), Value::Null).await?;
        assert_eq!(made["size_bytes"], json!(bytes.len()));
    }
    let path = "/api/v1/buckets/data/object/content?key=big/file.bin";
    let whole = otto.request(Method::GET, path).send().await?;
    assert_eq!(whole.headers()["content-disposition"].to_str()?.split(';').next(), Some("attachment"));
    assert!(whole.bytes().await? == bytes, "the bytes are others");
    let range =
        otto.request(Method::GET, path).header("range", format!("bytes={}-{}", PART - 2, PART + 1)).send().await?;
    assert_eq!(range.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(range.bytes().await?, bytes[PART - 2..PART + 2]);

    // An edited file begins anew.
    let other = json!({ "key": "big/file.bin", "size_bytes": bytes.len(), "modified_at": 8 });
    let fresh = erin.post("/api/v1/buckets/data/uploads", other).await?;
    assert_ne!(fresh["id"], begun["id"]);
    let fresh = fresh["id"].as_str().unwrap_or_default();
    erin.delete(&format!("/api/v1/buckets/data/uploads/{fresh}")).await?;
    assert_eq!(erin.get("/api/v1/buckets/data").await?["open_uploads"], 0);
    Ok(())
}

async fn open(server: &Server, path: &str) -> Result<(u16, String, String)> {
    let answer = server.anonymous()?.request(Method::GET, path).send().await?;
    let status = answer.status().as_u16();
    let kind =
        answer.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    Ok((status, kind, answer.text().await?))
}

#[tokio::test]
async fn a_link_opens_one_object_as_long_as_its_maker_may_read_it() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let (erin, otto) =
        (server.person(&admin, "erin", "engineer").await?, server.person(&admin, "otto", "engineer").await?);
    bucket(&erin, "mine", "private", false).await?;
    write(&erin, "mine", "page.html", "<script>alert(1)</script>").await?;
    let share = |api: Api, seconds: u32| async move {
        let wish = json!({ "key": "page.html", "expires_in_s": seconds });
        let made = api.post("/api/v1/buckets/mine/share", wish).await?;
        Ok::<_, anyhow::Error>(made["path"].as_str().context("a path")?.to_owned())
    };
    let link = share(erin.clone(), 600).await?;
    let answer = server.anonymous()?.request(Method::GET, &link).send().await?;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers()["content-disposition"].to_str()?.starts_with("attachment"));
    assert_eq!(answer.headers()["content-type"], "application/octet-stream");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.text().await?, "<script>alert(1)</script>");
    assert!(admin.list("/api/v1/audit?limit=20").await?.iter().any(|row| row["action"] == "object.share"));

    // What is none, what was changed, what is over; each says so to whoever opens it.
    let mut forged = link.clone();
    forged.replace_range(10..11, if &link[10..11] == "A" { "B" } else { "A" });
    for bad in ["/share/x", "/share/a.b", &forged, &link[..link.len() - 2]] {
        let (status, kind, text) = open(&server, bad).await?;
        assert_eq!((status, kind.as_str()), (404, "text/html; charset=utf-8"), "{bad}");
        assert!(text.contains("not a link"), "{text}");
    }
    let short = share(erin.clone(), 1).await?;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (status, _, text) = open(&server, &short).await?;
    assert_eq!(status, 410);
    assert!(text.contains("expired"), "{text}");
    for seconds in [0, 604_801] {
        let wish = json!({ "key": "page.html", "expires_in_s": seconds });
        assert_eq!(erin.status(Method::POST, "/api/v1/buckets/mine/share", Some(wish)).await?, 400);
    }
    let wish = json!({ "key": "page.html", "expires_in_s": 60 });
    assert_eq!(otto.status(Method::POST, "/api/v1/buckets/mine/share", Some(wish)).await?, 403);

    // Otto shares while he has a grant; without it, his links are closed.
    let with =
        |grants: Value| json!({ "access": "private", "versioning": "off", "quota_bytes": null, "grants": grants });
    erin.put("/api/v1/buckets/mine", with(json!([{ "username": "otto", "may_write": false }]))).await?;
    let ottos = share(otto.clone(), 600).await?;
    assert_eq!(open(&server, &ottos).await?.0, 200);
    erin.put("/api/v1/buckets/mine", with(json!([]))).await?;
    assert_eq!(open(&server, &ottos).await?.0, 410);
    assert_eq!(open(&server, &link).await?.0, 200);
    // Gone with the object, and another bucket of that name is another one.
    erin.delete("/api/v1/buckets/mine/object?key=page.html").await?;
    assert_eq!(open(&server, &link).await?.0, 410);
    erin.delete("/api/v1/buckets/mine").await?;
    bucket(&erin, "mine", "private", false).await?;
    write(&erin, "mine", "page.html", "another").await?;
    assert_eq!(open(&server, &link).await?.0, 410);
    let own = share(erin.clone(), 600).await?;
    admin.patch("/api/v1/people/erin", json!({ "disabled": true })).await?;
    assert_eq!(open(&server, &own).await?.0, 410);
    Ok(())
}
