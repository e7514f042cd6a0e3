//! The Open Inference Protocol through the gateway, before a scorer that says what it was sent.

use super::*;

const MLMODEL: &str = "signature:\n  inputs: '[{\"type\": \"double\", \"name\": \"a\", \"required\": true}]'\n  \
                       outputs: '[{\"type\": \"long\", \"required\": true}]'\n  params: null\n";

/// A scorer that answers with as many predictions as there are rows, and keeps bodies and heads.
fn scorer() -> (SocketAddr, Arc<std::sync::Mutex<Vec<String>>>) {
    let seen = Arc::new(std::sync::Mutex::new(vec![]));
    let kept = seen.clone();
    let app = move || {
        let kept = kept.clone();
        let score = move |request: HttpRequest, body: web::Bytes| {
            let kept = kept.clone();
            async move {
                let text = String::from_utf8_lossy(&body).into_owned();
                let head = |name: &str| {
                    request.headers().get(name).map_or("-".to_owned(), |it| it.to_str().unwrap().to_owned())
                };
                let names = [
                    "content-type",
                    "content-encoding",
                    "inference-header-content-length",
                    "x-request-id",
                    "traceparent",
                ];
                kept.lock().unwrap().push(format!("{} | {text}", names.map(head).join(" ")));
                if text.contains("13") {
                    return HttpResponse::BadRequest()
                        .json(serde_json::json!({"error_code": "X", "message": "thirteen"}));
                }
                let rows = text.matches('[').count() - 2;
                HttpResponse::Ok().json(serde_json::json!({"predictions": vec![1; rows]}))
            }
        };
        let ping = || async { HttpResponse::Ok().finish() };
        App::new().route("/invocations", web::post().to(score)).route("/ping", web::get().to(ping))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    (address, seen)
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("MLmodel"), MLMODEL).unwrap();
    folder
}

fn infer_body(values: &str, rows: usize) -> String {
    format!(r#"{{"id": "q", "inputs": [{{"name": "a", "datatype": "FP64", "shape": [{rows}], "data": {values}}}]}}"#)
}

#[actix_web::test]
async fn v2_is_answered_from_invocations_and_counted() {
    let (gateway, url) = front(Limits::default());
    let (address, seen) = scorer();
    let folder = folder();
    point_to(&gateway, "r1", address, folder.path().to_owned());
    let client = reqwest::Client::new();
    let get = |path: &str| client.get(format!("{url}/serve/wine{path}")).send();
    let json = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    assert_eq!(json(get("/v2").await.unwrap().text().await.unwrap())["extensions"][0], "binary_tensor_data");
    for path in
        ["/v2/health/live", "/v2/health/ready", "/v2/models/wine/ready", "/v2/models/wine-model/versions/3/ready"]
    {
        assert_eq!(get(path).await.unwrap().status(), 200, "{path}");
    }
    let said = json(get("/v2/models/wine").await.unwrap().text().await.unwrap());
    assert_eq!(
        (&said["name"], &said["versions"][0], &said["inputs"][0]["datatype"]),
        (&"wine".into(), &"3".into(), &"FP64".into())
    );
    for path in ["/v2/models/beer", "/v2/models/wine/versions/4", "/v2/repository/index", "/v2/models/wine/infer"] {
        let answer = get(path).await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        assert!(json(answer.text().await.unwrap())["error"].is_string(), "{path}");
    }
    let infer = client.post(format!("{url}/serve/wine/v2/models/wine/infer")).body(infer_body("[1, 2]", 2));
    let answer = json(infer.send().await.unwrap().text().await.unwrap());
    assert_eq!(
        answer["outputs"][0],
        serde_json::json!({"name": "predictions", "datatype": "INT64", "shape": [2], "data": [1, 1]})
    );
    assert_eq!((&answer["id"], &answer["model_version"]), (&"q".into(), &"3".into()));
    let sent = seen.lock().unwrap()[0].clone();
    assert!(sent.starts_with("application/json - - "), "{sent}");
    assert!(
        sent.contains(" 00-") && sent.ends_with(r#"{"dataframe_split":{"columns":["a"],"data":[[1.0],[2.0]]}}"#),
        "{sent}"
    );
    assert_eq!(totals(&gateway), (11, 0));
    assert_eq!(gateway.in_flight("r1"), 0);
}

#[actix_web::test]
async fn compressed_and_binary_bodies_are_read_and_refusals_have_their_form() {
    let (gateway, url) = front(Limits { body_bytes: 1000, ..Limits::default() });
    let (address, _) = scorer();
    let folder = folder();
    point_to(&gateway, "r1", address, folder.path().to_owned());
    let client = reqwest::Client::new();
    let infer = || client.post(format!("{url}/serve/wine/v2/models/wine/infer"));
    let head = r#"{"inputs":[{"name":"a","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}],"parameters":{"binary_data_output":true}}"#;
    let body = [head.as_bytes(), &0.5_f32.to_le_bytes()].concat();
    let mut zipped = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    std::io::Write::write_all(&mut zipped, &body).unwrap();
    let request = infer().header("inference-header-content-length", head.len()).header("content-encoding", "gzip");
    let answer = request.body(zipped.finish().unwrap()).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/octet-stream");
    let length: usize = answer.headers()["inference-header-content-length"].to_str().unwrap().parse().unwrap();
    let answer = answer.bytes().await.unwrap();
    assert_eq!(answer[length..], 1_i64.to_le_bytes());

    let mut bomb = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
    std::io::Write::write_all(&mut bomb, &vec![b' '; 100_000]).unwrap();
    let bomb = bomb.finish().unwrap();
    let refused = [
        (413, "larger", infer().header("content-encoding", "gzip").body(bomb)),
        (413, "larger", infer().body(vec![b' '; 2000])),
        (415, "'br'", infer().header("content-encoding", "br").body("x")),
        (400, "Inference-Header-Content-Length", infer().header("inference-header-content-length", "x").body("{}")),
        (400, "'a'", infer().body(infer_body("[1, 2]", 3))),
        (400, "thirteen", infer().body(infer_body("[13]", 1))),
        (400, "X-Request-Timeout", infer().header("x-request-timeout", "-1").body(infer_body("[1]", 1))),
        (404, "no deployment", client.get(format!("{url}/serve/beer/v2/health/ready"))),
    ];
    for (status, text, request) in refused {
        let answer = request.send().await.unwrap();
        let found = answer.status().as_u16();
        let said: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(found, status, "{said}");
        assert!(said["error"].as_str().unwrap().contains(text), "{text}: {said}");
    }
    let target = Target {
        deployment_id: "d".into(),
        deployment: "wine".into(),
        settings: Arc::default(),
        maker: "ada".into(),
        replica: None,
        is_coming: false,
        beside: vec![],
    };
    gateway.show(&[target], |_| Kept::default());
    assert_eq!(client.get(format!("{url}/serve/wine/v2/health/live")).send().await.unwrap().status(), 200);
    let answer = client.get(format!("{url}/serve/wine/v2/health/ready")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("retry-after")), (503, true));
}

#[actix_web::test]
async fn predict_is_invocations_and_the_caller_may_be_in_a_hurry() {
    let (gateway, url) = front(Limits::default());
    point(&gateway, "r1", model("slow", Duration::from_millis(300)).0);
    let client = reqwest::Client::new();
    let ask = |path: &str| client.post(format!("{url}/serve/wine{path}")).body("{}");
    assert_eq!(ask("/predict").send().await.unwrap().text().await.unwrap(), "slow");
    assert_eq!(ask("/predict?x=1").header("x-request-timeout", "1e300").send().await.unwrap().status(), 200);
    let began = Instant::now();
    assert_eq!(ask("/predict").header("x-request-timeout", "0.05").send().await.unwrap().status(), 504);
    assert!(began.elapsed() < Duration::from_millis(280));
    assert_eq!(ask("/predict").header("x-request-timeout", "soon").send().await.unwrap().status(), 400);
    // another path that only begins like it is the model server's own
    let own = ask("/predictions").send().await.unwrap().text().await.unwrap();
    assert!(own.starts_with("/predictions "), "{own}");
    assert_eq!(gateway.in_flight("r1"), 0);
}
