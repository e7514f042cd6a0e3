//! What the feature promises, over a real database and real blobs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, init_service, read_body, read_body_json};
use actix_web::web::Data;
use bytes::Bytes;
use drydock_wire::ErrorCode;
use drydock_wire::datasets::{Check, ColumnKind, CreateVersion, CreatedVersion, DatasetFile, ValidationState};
use futures_util::stream;

use super::*;
use crate::accounts::{Principal, Via, authorize};
use crate::app::testing::somebody;
use crate::config::Limits;
use crate::objects;

mod keeping;
mod looking;
mod making;

const CSV: &[u8] = b"id,size,kind\n1,2.5,a\n2,3.5,b\n3,,a\n";

struct Bench {
    app: App,
    _dir: tempfile::TempDir,
}

fn bench(limits: Limits) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let app = crate::app::testing::app_in(dir.path(), limits);
    Bench { app, _dir: dir }
}

fn develop(name: &str) -> Authorized<action::Develop> {
    authorize(&somebody(name), action::Develop, "default").unwrap()
}

fn view() -> Authorized<action::View> {
    authorize(&somebody("eve"), action::View, "default").unwrap()
}

impl Bench {
    async fn create(&self, name: &str) {
        let wish = CreateDataset { name: name.into(), description: String::new() };
        super::create(&self.app, &develop("ann"), wish).await.unwrap();
    }

    async fn upload(&self, who: &str, bytes: &'static [u8]) -> Upload {
        let body = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(bytes))]);
        super::upload(&self.app, &develop(who), body).await.unwrap()
    }

    /// As a bad disk would have it; the row says that there are as many bytes as before.
    async fn damage(&self, upload: &Upload) {
        self.batch(format!("UPDATE blobs SET data = zeroblob(size_bytes) WHERE digest = '{}'", upload.digest)).await;
    }

    async fn batch(&self, sql: String) {
        use diesel::connection::SimpleConnection;
        self.app.db.write(move |conn| conn.batch_execute(&sql).map_err(Error::internal)).await.unwrap();
    }

    async fn version_of(&self, who: &str, name: &str, files: Vec<DatasetFile>) -> Result<CreatedVersion> {
        versions::create(&self.app, &develop(who), name, wish(files)).await
    }
}

fn wish(files: Vec<DatasetFile>) -> CreateVersion {
    CreateVersion { files, message: "m".into(), ..Default::default() }
}

fn file(path: &str, upload: &Upload) -> DatasetFile {
    DatasetFile { path: path.into(), digest: upload.digest.clone(), size_bytes: upload.size_bytes }
}
