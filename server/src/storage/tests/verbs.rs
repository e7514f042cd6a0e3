//! What is refused before it is kept, and to whom, through the verbs themselves.

use bytes::Bytes;
use drydock_wire::accounts::Role;
use futures_util::stream;
use sha2::{Digest, Sha256};

use super::*;
use crate::{
    accounts::Principal,
    app::{App, testing::app_in},
    db::schema::accounts::audit,
    error::Result,
    storage::{
        access::Caller,
        browser, objects,
        parts::{self, PartName},
        sums::Expected,
        uploads::{self, Begin},
    },
};

fn caller(name: &str) -> Caller {
    Caller::person(Principal { address: "::1".into(), ..Principal::of_role(name, Role::Engineer) })
}

/// Ann's bucket "data"; Bob may write there, too.
async fn world() -> (tempfile::TempDir, App) {
    let dir = tempfile::tempdir().unwrap();
    let app = app_in(dir.path(), Default::default());
    let made = app.db.write(|conn| {
        bucket(conn, Versioning::Off);
        let bob = "INSERT INTO people (id, username, password_hash, role, created_at) VALUES ('bob', 'bob', '-', 'engineer', 0)";
        diesel::sql_query(bob).execute(conn).map(drop).map_err(crate::error::Error::internal)
    });
    made.await.unwrap();
    (dir, app)
}

async fn audited(app: &App, action: &'static str) -> usize {
    let count = move |conn: &mut Conn| {
        let rows: i64 = audit::table.filter(audit::action.eq(action)).count().get_result(conn).unwrap();
        Ok(rows as usize)
    };
    app.db.read(count).await.unwrap()
}

async fn put(app: &App, key: &str, body: Vec<u8>, sha256: Option<[u8; 32]>) -> Result<objects::Written> {
    let size_bytes = Some(body.len() as u64);
    let expected = Expected { sha256, ..Expected::default() };
    let put = objects::Put { key: key.into(), expected, size_bytes, ..objects::Put::default() };
    let body = stream::iter([Ok(Bytes::from(body))]);
    objects::put(app, &caller("ann"), "data", put, body, || Ok(None)).await
}

#[tokio::test]
async fn a_payload_that_is_not_what_was_signed_leaves_nothing() {
    let (_dir, app) = world().await;
    let begin = Begin { key: "parts".into(), ..Begin::default() };
    let ann = caller("ann");
    let upload = uploads::begin(&app, &ann, "data", begin).await.unwrap();
    for size in [0, 10, 200_000, 3_000_000] {
        let body = vec![7; size];
        let signed: [u8; 32] = Sha256::digest(&body).into();
        let refused = put(&app, "k", body.clone(), Some([1; 32])).await.unwrap_err();
        assert!(refused.message.contains("x-amz-content-sha256"), "{}", refused.message);
        let part = PartName { key: "parts".into(), upload_id: upload.upload_id.clone(), number: 1 };
        let (length, expected) = (Some(size as u64), Expected { sha256: Some([1; 32]), ..Expected::default() });
        let content = stream::iter([Ok(Bytes::from(body.clone()))]);
        let sent = parts::put_part(&app, &ann, "data", part, (expected, length), content, || Ok(None));
        assert!(sent.await.is_err());
        let digest = hex::encode(signed);
        let (kept, parts) = app
            .db
            .read(move |conn| {
                Ok((crate::objects::store::blob(conn, &digest)?, store::uploads::all_parts(conn, upload.id)?))
            })
            .await
            .unwrap();
        assert!(kept.is_none() && parts.is_empty(), "{size}");
        put(&app, &format!("good-{size}"), body, Some(signed)).await.unwrap();
    }
    assert_eq!(app.db.read(|conn| Ok(current(conn, "k"))).await.unwrap(), None);
}

#[tokio::test]
async fn an_upload_is_its_beginners_alone() {
    let (_dir, app) = world().await;
    let begin = Begin { key: "k".into(), ..Begin::default() };
    let id = uploads::begin(&app, &caller("ann"), "data", begin).await.unwrap().upload_id;
    let page = (0, 10);
    assert!(uploads::parts(&app, &caller("ann"), "data", "k", &id, page).await.is_ok());
    for (who, key) in [("bob", "k"), ("bob", "other"), ("ann", "other")] {
        let refused = uploads::parts(&app, &caller(who), "data", key, &id, page).await.unwrap_err();
        assert_eq!(refused.code, drydock_wire::ErrorCode::NotFound);
    }
    assert!(uploads::abort(&app, &caller("bob"), "data", "k", &id).await.is_err());
    assert_eq!(audited(&app, "upload.refuse").await, 3, "each that was somebody else's");
    uploads::abort(&app, &caller("ann"), "data", "k", &id).await.unwrap();
}

#[tokio::test]
async fn each_batch_of_removals_is_audited_with_it() {
    let (_dir, app) = world().await;
    for number in 0..700 {
        let key = format!("f/{number}");
        let put = move |conn: &mut Conn| {
            let bucket = again(conn);
            super::put(conn, &bucket, &key, "e");
            Ok(())
        };
        app.db.write(put).await.unwrap();
    }
    let wish = |keys: Vec<String>, prefixes: Vec<String>| drydock_wire::storage::DeleteObjects {
        keys,
        prefixes,
        preview: false,
    };
    let named = vec!["f/1".to_owned(), "f/2".to_owned()];
    assert_eq!(browser::delete(&app, &caller("ann"), "data", wish(named, vec![])).await.unwrap().count, 2);
    let folder = browser::delete(&app, &caller("ann"), "data", wish(vec![], vec!["f/".into()])).await.unwrap();
    assert_eq!((folder.count, audited(&app, "object.delete").await), (698, 3));
    browser::delete_one(&app, &caller("ann"), "data", "gone", None).await.unwrap();
    assert_eq!(audited(&app, "object.delete").await, 4);
}
