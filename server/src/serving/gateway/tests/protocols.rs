//! Model servers that speak OpenAI's API, and those that speak the Open Inference Protocol alone.

use serde_json::{Value, json};

use super::*;

const MLMODEL: &str = "signature:\n  inputs: '[{\"type\": \"double\", \"name\": \"a\", \"required\": true}]'\n  \
                       outputs: '[{\"type\": \"long\", \"required\": true}]'\n  params: null\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("MLmodel"), MLMODEL).unwrap();
    folder
}

fn point_at(gateway: &Gateway, address: SocketAddr, protocol: Protocol, folder: &std::path::Path) {
    let replica = Some(Answering { protocol, ..answering("r1", address, folder.to_owned()) });
    let target = Target {
        deployment_id: "d".into(),
        deployment: "wine".into(),
        settings: Arc::default(),
        maker: "ada".into(),
        replica,
        is_coming: false,
        beside: vec![],
    };
    gateway.show(&[target], |_| Kept::default());
}

/// A server of V2 with one model, "flowers"; what it was asked with POST.
fn oip() -> (SocketAddr, Arc<std::sync::Mutex<Vec<String>>>) {
    let seen = Arc::new(std::sync::Mutex::new(vec![]));
    let kept = seen.clone();
    let app = move || {
        let kept = kept.clone();
        let all = move |request: HttpRequest, body: web::Bytes| {
            let kept = kept.clone();
            async move {
                let text = String::from_utf8_lossy(&body).into_owned();
                if request.method() == "POST" {
                    kept.lock().unwrap().push(format!("{} {text}", request.path()));
                }
                match request.path() {
                    "/v2" => HttpResponse::Ok().json(json!({"name": "real", "version": "9.9"})),
                    "/v2/health/ready" => HttpResponse::Ok().finish(),
                    "/v2/repository/index" => HttpResponse::Ok().json(json!([
                        {"name": "flowers", "version": "1", "state": "READY"},
                        {"name": "broken", "state": "UNAVAILABLE"},
                    ])),
                    "/v2/models/flowers" => HttpResponse::Ok().json(json!({"name": "flowers", "inputs": []})),
                    "/v2/models/flowers/infer" if text.contains("13.0") => {
                        HttpResponse::BadRequest().json(json!({"error": "thirteen"}))
                    }
                    "/v2/models/flowers/infer" => HttpResponse::Ok().json(json!({"outputs": [
                        {"name": "y", "datatype": "INT64", "shape": [2, 1], "data": [4, 5]}]})),
                    _ => HttpResponse::NotFound().json(json!({"error": "unknown model"})),
                }
            }
        };
        App::new().default_service(web::route().to(all))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    (address, seen)
}

#[actix_web::test]
async fn invocations_are_put_to_a_server_that_speaks_v2_alone() {
    let (gateway, url) = front(Limits::default());
    let (address, seen) = oip();
    let folder = folder();
    point_at(&gateway, address, Protocol::OpenInference, folder.path());
    let client = reqwest::Client::new();
    let post = |path: &str, body: Value| client.post(format!("{url}/serve/wine{path}")).json(&body).send();
    let frame = json!({"dataframe_split": {"columns": ["a"], "data": [[1], [2.5]]}});
    for path in ["/invocations", "/predict"] {
        let answer: Value = post(path, frame.clone()).await.unwrap().json().await.unwrap();
        assert_eq!(answer, json!({"predictions": [4, 5]}), "{path}");
    }
    let csv = client.post(format!("{url}/serve/wine/invocations")).header("content-type", "text/csv; charset=utf-8");
    assert_eq!(
        csv.body("a\n1\n2.5\n").send().await.unwrap().json::<Value>().await.unwrap()["predictions"],
        json!([4, 5])
    );
    let sent = seen.lock().unwrap().clone();
    let infers: Vec<&String> = sent.iter().filter(|it| it.starts_with("/v2/models/flowers/infer")).collect();
    assert_eq!((infers.len(), infers[0], infers[1]), (3, infers[2], infers[2]), "{sent:?}");
    let body: Value = serde_json::from_str(infers[0].split_once(' ').unwrap().1).unwrap();
    assert_eq!(body["inputs"][0], json!({"name": "a", "datatype": "FP64", "shape": [2], "data": [1.0, 2.5]}));
    assert_eq!(sent.len(), 4, "which models there are is asked once: {sent:?}");

    for (path, text) in [("/ping", "\n"), ("/health", "\n"), ("/version", "9.9")] {
        let answer = client.get(format!("{url}/serve/wine{path}")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, text), "{path}");
    }
    for (status, text, body) in [
        (400, "input 'a'", json!({"inputs": {"a": ["x"]}})),
        (400, "input 'b'", json!({"inputs": {"b": [1], "a": [1]}})),
        (400, "thirteen", json!({"inputs": {"a": [13]}})),
    ] {
        let answer = post("/invocations", body).await.unwrap();
        let found = (answer.status().as_u16(), answer.text().await.unwrap());
        assert!(found.0 == status && found.1.contains(text) && found.1.contains("\"message\""), "{text}: {found:?}");
    }
    let odd = client.post(format!("{url}/serve/wine/invocations")).header("content-type", "text/plain").body("x");
    assert_eq!(odd.send().await.unwrap().status(), 415);
    // V2 itself is the server's own: names, answers, errors
    let own: Value = client.get(format!("{url}/serve/wine/v2")).send().await.unwrap().json().await.unwrap();
    assert_eq!(own["name"], "real");
    assert_eq!(post("/v2/models/wine-model/infer", json!({"x": 1})).await.unwrap().status(), 404);
    assert_eq!(seen.lock().unwrap().last().unwrap(), "/v2/models/wine-model/infer {\"x\":1}");
    // and /v1 is not spoken
    let none = client.get(format!("{url}/serve/wine/v1/models")).send().await.unwrap();
    let (status, said) = (none.status().as_u16(), none.json::<Value>().await.unwrap());
    assert!(status == 404 && said["error"]["message"].as_str().unwrap().contains("/v2"), "{status} {said}");
    assert_eq!(gateway.in_flight("r1"), 0);
}

/// A server with OpenAI's API: a stream whose parts come with pauses, and JSON.
fn openai() -> SocketAddr {
    async fn chat(body: web::Bytes, request: HttpRequest) -> HttpResponse {
        assert!(!request.headers().contains_key("accept-encoding"));
        let asked: Value = serde_json::from_slice(&body).unwrap();
        if asked["stream"] != true {
            return HttpResponse::Ok()
                .json(json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}));
        }
        let mut parts = vec![
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n",
        ];
        if asked["stream_options"]["include_usage"] == true {
            parts.push("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n");
        }
        parts.push("data: [DONE]\n\n");
        let slowly = futures_util::stream::iter(parts).then(|part| async move {
            tokio::time::sleep(Duration::from_millis(40)).await;
            Ok::<_, std::io::Error>(web::Bytes::from_static(part.as_bytes()))
        });
        HttpResponse::Ok().content_type("text/event-stream").streaming(slowly)
    }
    async fn other(request: HttpRequest) -> HttpResponse {
        HttpResponse::NotFound().body(format!("own {}", request.path()))
    }
    let app = || App::new().route("/v1/chat/completions", web::post().to(chat)).default_service(web::route().to(other));
    let server = HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    address
}

#[actix_web::test]
async fn openais_answers_pass_as_they_are_and_their_tokens_are_counted_by_caller() {
    let (gateway, url) = front(Limits::default());
    point_at(&gateway, openai(), Protocol::Openai, std::path::Path::new("/nonexistent"));
    let client = reqwest::Client::new();
    let chat = |who: &str, body: Value| {
        let request = client.post(format!("{url}/serve/wine/v1/chat/completions")).header("x-user", who);
        request.header("accept-encoding", "gzip").json(&body).send()
    };
    let tokens = || gateway.endpoint("wine").unwrap().meter.tokens.traffic(clock::now_ms());
    assert_eq!(tokens(), None);
    let answer = chat("ann", json!({})).await.unwrap().text().await.unwrap();
    assert_eq!(answer, r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#);
    let streamed = chat("bob", json!({"stream": true, "stream_options": {"include_usage": true}})).await.unwrap();
    assert_eq!(streamed.headers()["content-type"], "text/event-stream");
    let streamed = streamed.text().await.unwrap();
    assert!(streamed.ends_with("\n\ndata: [DONE]\n\n") && streamed.matches("data:").count() == 4, "{streamed}");
    chat("bob", json!({"stream": true})).await.unwrap().text().await.unwrap();
    // who leaves in the middle got as much
    let mut left = chat("bob", json!({"stream": true})).await.unwrap();
    left.chunk().await.unwrap();
    drop(left);
    for _ in 0..100 {
        if tokens().is_some_and(|it| it.total.answers == 4) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let found = tokens().unwrap();
    let of = |name: &str| found.callers.iter().find(|it| it.caller == name).unwrap().tokens;
    assert_eq!((of("ann").prompt, of("ann").completion, of("ann").estimated), (7, 3, 0));
    assert_eq!((of("bob").answers, of("bob").prompt, of("bob").completion), (3, 7, 2));
    assert!((3..=4).contains(&of("bob").estimated), "{found:?}");
    assert!(found.first_token_p50_ms.unwrap() >= 35.0, "{found:?}");
    // what is the server's own stays its own
    let own = client.get(format!("{url}/serve/wine/v2/models")).send().await.unwrap().text().await.unwrap();
    assert_eq!(own, "own /v2/models");
    let none = client.get(format!("{url}/serve/beer/v1/models")).send().await.unwrap();
    assert_eq!(
        (none.status().as_u16(), none.json::<Value>().await.unwrap()["error"]["type"].clone()),
        (404, json!("not_found_error"))
    );
}
