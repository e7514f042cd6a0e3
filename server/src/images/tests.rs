//! What the feature promises, over a real database, real blobs and the routes themselves.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use actix_web::{
    http::{Method, StatusCode},
    test::{TestRequest, call_service, init_service, read_body},
    web::{Bytes, Data},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

use super::*;
use crate::accounts::{Accounts, authorize};
use crate::app::testing::somebody;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

struct Bench {
    app: App,
    accounts: Accounts,
    images: Images,
    /// Tokens of an engineer, another engineer and a viewer.
    ann: String,
    bob: String,
    vera: String,
    _dir: tempfile::TempDir,
}

async fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let app = crate::app::testing::app_in(dir.path(), Default::default());
    let (db, box_key) = (app.db.clone(), app.box_key.clone());
    let mut tokens = vec![];
    for (name, role) in [("ann", "engineer"), ("bob", "engineer"), ("vera", "viewer")] {
        let token = db.write(move |conn| {
            use diesel::connection::SimpleConnection;
            conn.batch_execute(&format!(
                "INSERT INTO people (id, username, password_hash, role, created_at) VALUES ('id-{name}', '{name}', '', '{role}', 0)"
            ))
            .unwrap();
            accounts::console_create_token(conn, name, "test")
        });
        tokens.push(token.await.unwrap());
    }
    let [ann, bob, vera] = tokens.try_into().unwrap();
    let accounts = Accounts::start(db, box_key).await.unwrap();
    let images = Images::new(&app).unwrap();
    Bench { app, accounts, images, ann, bob, vera, _dir: dir }
}

macro_rules! registry {
    ($bench:expr) => {
        init_service(
            actix_web::App::new()
                .app_data(Data::new($bench.app.clone()))
                .app_data(Data::new($bench.accounts.clone()))
                .app_data(Data::new($bench.images.clone()))
                .configure(configure_oci),
        )
        .await
    };
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

struct Answer {
    status: StatusCode,
    headers: actix_web::http::header::HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }
}

fn request(method: &str, path: &str, token: &str, headers: &[(&str, &str)], body: &[u8]) -> TestRequest {
    let mut request = TestRequest::with_uri(path).method(Method::from_bytes(method.as_bytes()).unwrap());
    if !token.is_empty() {
        request = request.insert_header(("authorization", format!("Bearer {token}")));
    }
    for (name, value) in headers {
        request = request.insert_header((*name, *value));
    }
    request.set_payload(body.to_vec())
}

macro_rules! ask {
    ($app:expr, $method:expr, $path:expr, $token:expr, $headers:expr, $body:expr) => {
        async {
            let answer = call_service($app, request($method, $path, $token, $headers, $body).to_request()).await;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Answer { status, headers, body: read_body(answer).await }
        }
    };
}

fn image(config: &[u8], layers: &[&[u8]]) -> Vec<u8> {
    let of = |bytes: &[u8], kind: &str| json!({"mediaType": kind, "digest": sha256(bytes), "size": bytes.len()});
    let layers: Vec<Value> = layers.iter().map(|it| of(it, "application/vnd.oci.image.layer.v1.tar")).collect();
    json!({"schemaVersion": 2, "mediaType": MANIFEST,
        "config": of(config, "application/vnd.oci.image.config.v1+json"), "layers": layers})
    .to_string()
    .into_bytes()
}

macro_rules! push_blob {
    ($app:expr, $token:expr, $name:expr, $bytes:expr) => {{
        let path = format!("/v2/{}/blobs/uploads/?digest={}", $name, sha256($bytes));
        let answer = ask!($app, "POST", &path, $token, &[], $bytes).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
    }};
}

mod keeping;

#[actix_web::test]
async fn an_image_comes_back_byte_for_byte_by_tag_and_digest() {
    let bench = bench().await;
    let (app, ann) = (&registry!(bench), bench.ann.as_str());
    let (config, layer) = (br#"{"os":"linux","architecture":"arm64"}"#, vec![7_u8; 200_000]);
    push_blob!(app, ann, "team/app", config);
    push_blob!(app, ann, "team/app", &layer);
    let bytes = image(config, &[&layer]);
    let put = ask!(app, "PUT", "/v2/team/app/manifests/1.0", ann, &[("content-type", MANIFEST)], &bytes).await;
    assert_eq!((put.status, put.header("docker-content-digest")), (StatusCode::CREATED, sha256(&bytes).as_str()));
    for reference in ["1.0", &sha256(&bytes)] {
        let got = ask!(app, "GET", &format!("/v2/team/app/manifests/{reference}"), &bench.vera, &[], b"").await;
        assert_eq!((got.status, got.header("content-type"), &got.body[..]), (StatusCode::OK, MANIFEST, &bytes[..]));
    }
    let part = ask!(
        app,
        "GET",
        &format!("/v2/team/app/blobs/{}", sha256(&layer)),
        &bench.vera,
        &[("range", "bytes=5-9")],
        b""
    )
    .await;
    assert_eq!(
        (part.status, part.header("content-range"), &part.body[..]),
        (StatusCode::PARTIAL_CONTENT, "bytes 5-9/200000", &layer[5..10])
    );
    let auth = authorize(&somebody("ann"), action::View, "default").unwrap();
    let detail = get(&bench.app, &auth, "team/app").await.unwrap();
    assert_eq!(detail.tags[0].manifest.platforms, ["linux/arm64"]);
    assert_eq!(detail.tags[0].manifest.size_bytes, (config.len() + layer.len() + bytes.len()) as u64);
    assert_eq!(detail.summary.size_bytes, detail.summary.own_bytes);
}

#[actix_web::test]
async fn nobody_reads_without_a_name_and_neither_a_viewer_nor_a_job_writes() {
    let bench = bench().await;
    let ends_at = clock::now_ms() + 60_000;
    let job = bench
        .app
        .db
        .write(move |conn| accounts::issue_job_token(conn, "id-ann", "default", "w1", ends_at))
        .await
        .unwrap();
    let app = &registry!(bench);
    for path in ["/v2/", "/v2/_catalog", "/v2/a/tags/list", "/v2/a/manifests/x", "/v2/a/manifests/.x", "/v2/nothing"] {
        let answer = ask!(app, "GET", path, "", &[], b"").await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"), "{path}");
        assert!(answer.header("www-authenticate").starts_with("Bearer realm=\"http"), "{path}");
    }
    let digest = sha256(b"x");
    for (method, path) in [
        ("POST", "/v2/a/blobs/uploads/".to_owned()),
        ("POST", format!("/v2/a/blobs/uploads/?digest={digest}")),
        ("PATCH", "/v2/a/blobs/uploads/x".to_owned()),
        ("PUT", format!("/v2/a/blobs/uploads/x?digest={digest}")),
        ("DELETE", "/v2/a/blobs/uploads/x".to_owned()),
        ("PUT", "/v2/a/manifests/x".to_owned()),
        ("DELETE", "/v2/a/manifests/x".to_owned()),
        ("DELETE", format!("/v2/a/blobs/{digest}")),
    ] {
        for who in [&bench.vera, &job] {
            let answer = ask!(app, method, &path, who, &[], b"x").await;
            assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "DENIED"), "{method} {path}");
        }
    }
    assert_eq!(ask!(app, "GET", "/v2/_catalog", &job, &[], b"").await.status, 200);
}

#[actix_web::test]
async fn bad_names_digests_and_numbers_are_said_as_such() {
    let bench = bench().await;
    let (app, ann) = (&registry!(bench), bench.ann.as_str());
    for (path, status, code) in [
        ("/v2/a/blobs/sha256:../../x", 400, "DIGEST_INVALID"),
        ("/v2/a/blobs/sha256:%2e%2e%2f%2e%2e%2fx", 400, "DIGEST_INVALID"),
        ("/v2/a/../b/manifests/x", 400, "NAME_INVALID"),
        ("/v2/A/manifests/x", 400, "NAME_INVALID"),
        ("/v2/a/manifests/-x", 400, "TAG_INVALID"),
        ("/v2/a/manifests/x", 404, "MANIFEST_UNKNOWN"),
        ("/v2/a/tags/list", 404, "NAME_UNKNOWN"),
        ("/v2/_catalog?n=-1", 400, "PAGINATION_NUMBER_INVALID"),
    ] {
        let answer = ask!(app, "GET", path, ann, &[], b"").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{path}");
    }
    for n in ["2147483648", "9223372036854775808", "99999999999999999999999999"] {
        let answer = ask!(app, "GET", &format!("/v2/_catalog?n={n}"), ann, &[], b"").await;
        assert_eq!(answer.json(), json!({"repositories": []}), "{n}");
    }
}

#[actix_web::test]
async fn pieces_come_in_order_and_the_wrong_digest_keeps_nothing() {
    let bench = bench().await;
    let (app, ann) = (&registry!(bench), bench.ann.as_str());
    let opened = ask!(app, "POST", "/v2/a/blobs/uploads/", ann, &[], b"").await;
    let at = opened.header("location").to_owned();
    let first = ask!(app, "PATCH", &at, ann, &[("content-range", "0-4")], b"hello").await;
    assert_eq!((first.status, first.header("range")), (StatusCode::ACCEPTED, "0-4"));
    let wrong = ask!(app, "PATCH", &at, ann, &[("content-range", "7-9")], b"xyz").await;
    assert_eq!(
        (wrong.status, wrong.header("range"), wrong.header("location")),
        (StatusCode::RANGE_NOT_SATISFIABLE, "0-4", at.as_str())
    );
    let status = ask!(app, "GET", &at, ann, &[], b"").await;
    assert_eq!((status.status, status.header("range")), (StatusCode::NO_CONTENT, "0-4"));
    assert_eq!(ask!(app, "PATCH", &at, ann, &[], b" wor").await.header("range"), "0-8");
    assert_eq!(ask!(app, "GET", &at, &bench.bob, &[], b"").await.code(), "BLOB_UPLOAD_UNKNOWN");
    let audited = bench.app.db.read(|conn| {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        use diesel::RunQueryDsl;
        let sql = "SELECT count(*) AS n FROM audit WHERE action = 'repository.upload.refused'";
        Ok(diesel::sql_query(sql).get_result::<Count>(conn).unwrap().n)
    });
    assert_eq!(audited.await.unwrap(), 1);
    let done = ask!(app, "PUT", &format!("{at}?digest={}", sha256(b"hello world")), ann, &[], b"ld").await;
    assert_eq!(
        (done.status, done.header("docker-content-digest")),
        (StatusCode::CREATED, sha256(b"hello world").as_str())
    );
    assert_eq!(ask!(app, "GET", &at, ann, &[], b"").await.code(), "BLOB_UPLOAD_UNKNOWN");

    let opened = ask!(app, "POST", "/v2/a/blobs/uploads/", ann, &[], b"").await;
    let refused =
        ask!(app, "PUT", &format!("{}?digest={}", opened.header("location"), sha256(b"right")), ann, &[], b"wrong")
            .await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::BAD_REQUEST, "DIGEST_INVALID"));
    for bytes in [&b"right"[..], b"wrong"] {
        let answer = ask!(app, "GET", &format!("/v2/a/blobs/{}", sha256(bytes)), ann, &[], b"").await;
        assert_eq!(answer.code(), "BLOB_UNKNOWN");
    }
}

#[actix_web::test]
async fn knowing_a_digest_is_not_having_the_bytes() {
    let bench = bench().await;
    let (app, ann) = (&registry!(bench), bench.ann.as_str());
    push_blob!(app, ann, "a", b"shared");
    let digest = sha256(b"shared");
    assert_eq!(ask!(app, "GET", &format!("/v2/b/blobs/{digest}"), ann, &[], b"").await.status, 404);
    let encoded = digest.replace(':', "%3A");
    let unknown = ask!(app, "POST", &format!("/v2/b/blobs/uploads/?mount={encoded}&from=c"), ann, &[], b"").await;
    assert_eq!(unknown.status, 202);
    assert_eq!(ask!(app, "POST", &format!("/v2/b/blobs/uploads/?mount={encoded}"), ann, &[], b"").await.status, 202);
    let mounted = ask!(app, "POST", &format!("/v2/b/blobs/uploads/?mount={encoded}&from=a"), ann, &[], b"").await;
    assert_eq!(
        (mounted.status, mounted.header("location")),
        (StatusCode::CREATED, format!("/v2/b/blobs/{digest}").as_str())
    );
    assert_eq!(&ask!(app, "GET", &format!("/v2/b/blobs/{digest}"), ann, &[], b"").await.body[..], b"shared");
}

#[actix_web::test]
async fn a_manifest_without_its_parts_is_refused() {
    let bench = bench().await;
    let (app, ann) = (&registry!(bench), bench.ann.as_str());
    push_blob!(app, ann, "a", b"{}");
    let bytes = image(b"{}", &[b"missing"]);
    let refused = ask!(app, "PUT", "/v2/a/manifests/x", ann, &[("content-type", MANIFEST)], &bytes).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN"));
    assert_eq!(ask!(app, "GET", "/v2/a/manifests/x", ann, &[], b"").await.status, 404);
    let large = vec![b' '; manifest::MOST_BYTES + 1];
    let refused = ask!(app, "PUT", "/v2/a/manifests/x", ann, &[("content-type", MANIFEST)], &large).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    push_blob!(app, ann, "a", b"missing");
    let other =
        ask!(app, "PUT", &format!("/v2/a/manifests/{}", sha256(b"other")), ann, &[("content-type", MANIFEST)], &bytes)
            .await;
    assert_eq!(other.code(), "DIGEST_INVALID");
    let by_sha512 = format!("sha512:{}", hex::encode(Sha512::digest(&bytes)));
    let put =
        ask!(app, "PUT", &format!("/v2/a/manifests/{by_sha512}"), ann, &[("content-type", MANIFEST)], &bytes).await;
    assert_eq!((put.status, put.header("docker-content-digest")), (StatusCode::CREATED, by_sha512.as_str()));
    assert_eq!(&ask!(app, "GET", &format!("/v2/a/manifests/{by_sha512}"), ann, &[], b"").await.body[..], &bytes[..]);
}

#[actix_web::test]
async fn a_blob_may_be_named_by_sha512() {
    let bench = bench().await;
    let (app, ann) = (&registry!(bench), bench.ann.as_str());
    let layer = vec![3_u8; 100_000];
    let digest = format!("sha512:{}", hex::encode(Sha512::digest(&layer)));
    let put = ask!(app, "POST", &format!("/v2/a/blobs/uploads/?digest={digest}"), ann, &[], &layer).await;
    assert_eq!(put.status, 201, "{:?}", put.body);
    assert_eq!(&ask!(app, "GET", &format!("/v2/a/blobs/{digest}"), ann, &[], b"").await.body[..], &layer[..]);
    assert_eq!(ask!(app, "GET", &format!("/v2/a/blobs/{}", sha256(&layer)), ann, &[], b"").await.status, 404);
    let wrong = format!("sha512:{}", "a".repeat(128));
    let refused = ask!(app, "POST", &format!("/v2/a/blobs/uploads/?digest={wrong}"), ann, &[], &layer).await;
    assert_eq!(refused.code(), "DIGEST_INVALID");
}

#[actix_web::test]
async fn what_refers_to_an_image_is_listed_before_and_after_the_image_comes() {
    let bench = bench().await;
    let (app, ann) = (&registry!(bench), bench.ann.as_str());
    push_blob!(app, ann, "a", b"{}");
    let subject = image(b"{}", &[]);
    let mut artifact: Value = serde_json::from_slice(&image(b"{}", &[])).unwrap();
    artifact["subject"] = json!({"mediaType": MANIFEST, "digest": sha256(&subject), "size": subject.len()});
    artifact["artifactType"] = json!("application/example");
    artifact["annotations"] = json!({"who": "ann"});
    let bytes = artifact.to_string().into_bytes();
    let put =
        ask!(app, "PUT", &format!("/v2/a/manifests/{}", sha256(&bytes)), ann, &[("content-type", MANIFEST)], &bytes)
            .await;
    assert_eq!((put.status, put.header("oci-subject")), (StatusCode::CREATED, sha256(&subject).as_str()));
    ask!(app, "PUT", "/v2/a/manifests/x", ann, &[("content-type", MANIFEST)], &subject).await;
    let path = format!("/v2/a/referrers/{}", sha256(&subject));
    let list = ask!(app, "GET", &path, ann, &[], b"").await;
    assert_eq!(list.header("content-type"), "application/vnd.oci.image.index.v1+json");
    let found = &list.json()["manifests"][0];
    assert_eq!((&found["artifactType"], &found["annotations"]["who"]), (&json!("application/example"), &json!("ann")));
    let other = ask!(app, "GET", &format!("{path}?artifactType=application%2Fother"), ann, &[], b"").await;
    assert_eq!((other.header("oci-filters-applied"), &other.json()["manifests"]), ("artifactType", &json!([])));
    let none = ask!(app, "GET", &format!("/v2/b/referrers/{}", sha256(b"none")), ann, &[], b"").await;
    assert_eq!((none.status, &none.json()["manifests"]), (StatusCode::OK, &json!([])));
}

#[actix_web::test]
async fn lists_come_in_pages_and_in_order() {
    let bench = bench().await;
    let (app, ann) = (&registry!(bench), bench.ann.as_str());
    for name in ["b", "a/x"] {
        push_blob!(app, ann, name, b"{}");
    }
    let bytes = image(b"{}", &[]);
    for tag in ["c", "a", "B"] {
        ask!(app, "PUT", &format!("/v2/b/manifests/{tag}"), ann, &[("content-type", MANIFEST)], &bytes).await;
    }
    let page = ask!(app, "GET", "/v2/b/tags/list?n=2", ann, &[], b"").await;
    assert_eq!(page.json(), json!({"name": "b", "tags": ["B", "a"]}));
    let next = page.header("link").split(['<', '>']).nth(1).unwrap().to_owned();
    let rest = ask!(app, "GET", &next, ann, &[], b"").await;
    assert_eq!((rest.json()["tags"].clone(), rest.header("link")), (json!(["c"]), ""));
    let catalog = ask!(app, "GET", "/v2/_catalog?n=1", ann, &[], b"").await;
    assert_eq!(
        (catalog.json(), catalog.header("link")),
        (json!({"repositories": ["a/x"]}), "</v2/_catalog?n=1&last=a%2Fx>; rel=\"next\"")
    );
}

#[actix_web::test]
async fn deleting_goes_from_the_outside_in() {
    let bench = bench().await;
    let (app, ann) = (&registry!(bench), bench.ann.as_str());
    push_blob!(app, ann, "a", b"{}");
    let bytes = image(b"{}", &[]);
    for tag in ["x", "y"] {
        ask!(app, "PUT", &format!("/v2/a/manifests/{tag}"), ann, &[("content-type", MANIFEST)], &bytes).await;
    }
    let blob = format!("/v2/a/blobs/{}", sha256(b"{}"));
    assert_eq!(ask!(app, "DELETE", &blob, ann, &[], b"").await.status, 405);
    assert_eq!(ask!(app, "DELETE", "/v2/a/manifests/x", ann, &[], b"").await.status, 202);
    assert_eq!(ask!(app, "DELETE", "/v2/a/manifests/x", ann, &[], b"").await.status, 404);
    let by_digest = format!("/v2/a/manifests/{}", sha256(&bytes));
    assert_eq!(ask!(app, "GET", &by_digest, ann, &[], b"").await.status, 200);
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": [
        {"mediaType": MANIFEST, "digest": sha256(&bytes), "size": bytes.len(), "platform": {"os": "linux", "architecture": "amd64"}},
    ]});
    let index = index.to_string().into_bytes();
    let put = ask!(app, "PUT", "/v2/a/manifests/all", ann, &[("content-type", kind)], &index).await;
    assert_eq!(put.status, 201);
    assert_eq!(ask!(app, "DELETE", &by_digest, ann, &[], b"").await.status, 405, "an index keeps its parts");
    let whole = format!("/v2/a/manifests/{}", sha256(&index));
    assert_eq!(ask!(app, "DELETE", &whole, ann, &[], b"").await.status, 202);
    assert_eq!(ask!(app, "DELETE", &by_digest, ann, &[], b"").await.status, 202);
    assert_eq!(ask!(app, "GET", "/v2/a/manifests/y", ann, &[], b"").await.status, 404);
    assert_eq!(ask!(app, "DELETE", &blob, ann, &[], b"").await.status, 202);
    assert_eq!(ask!(app, "GET", &blob, ann, &[], b"").await.status, 404);
}
