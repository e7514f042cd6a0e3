//! A model server that starts in a moment: it says which container it is, and a word. Of the runtime image, so nothing is fetched.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::Api;

/// As long as `/tmp/ill` is there it is not ready; `/predict/slow` keeps its processor busy for a while. One whose word is `bad` fails.
const SERVER: &str = r#"
import http.server, os, socket, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, status, text):
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
    def do_GET(self):
        self.answer(503 if os.path.exists("/tmp/ill") else 200, "well")
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.endswith("/slow"):
            until = time.thread_time() + 0.02
            while time.thread_time() < until: pass
        word = os.environ["WORD"]
        self.answer(500 if word == "bad" else 200, socket.gethostname() + " " + word)
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
Server(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// A deployment of the runtime image with that command.
pub fn wish(command: &[&str], word: &str, settings: Value) -> Value {
    json!({
        "resources": { "cpus": 0.5, "memory_bytes": 128u64 << 20 },
        "served_by": {
            "runtime": { "kind": "image", "image": "drydock/runtime:1", "command": command, "port": 9000 },
            "env": { "WORD": word },
            "probes": { "readiness": { "path": "/healthz", "period_s": 1, "failures": 2 } },
        },
        "settings": settings,
    })
}

/// A deployment that says this word.
pub fn serve(word: &str, settings: Value) -> Value {
    wish(&["python3", "-c", SERVER], word, settings)
}

/// Makes a registered model with so many versions of a few bytes, which no program can load.
pub async fn small_model(api: &Api, name: &str, versions: usize) -> Result<()> {
    api.post("/api/2.0/mlflow/registered-models/create", json!({ "name": name })).await?;
    let run = api.post("/api/2.0/mlflow/runs/create", json!({ "experiment_id": "0" })).await?["run"]["info"].clone();
    let root = run["artifact_uri"].as_str().context("no place")?;
    let path = root.trim_start_matches("mlflow-artifacts:/");
    api.put(&format!("/api/2.0/mlflow-artifacts/artifacts/{path}/model/MLmodel"), json!({})).await?;
    for _ in 0..versions {
        let wish = json!({ "name": name, "source": format!("{root}/model"), "run_id": run["run_id"] });
        api.post("/api/2.0/mlflow/model-versions/create", wish).await?;
    }
    Ok(())
}
