//! Uploads in parts: what is counted, what is read, what becomes of them.

use bytes::Bytes;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use super::*;
use crate::storage::{reading, store::uploads::Piece};

#[test]
fn a_bucket_counts_parts_once_and_gives_them_back() {
    let mut conn = testing::connection();
    let bucket = bucket(&mut conn, Versioning::Off);
    let id = upload(&mut conn, &bucket, "u", 0);
    store::uploads::put_part(&mut conn, &bucket, &part(id, 1, 100)).unwrap();
    store::uploads::put_part(&mut conn, &bucket, &part(id, 1, 60)).unwrap();
    store::uploads::put_part(&mut conn, &bucket, &part(id, 2, 5)).unwrap();
    assert_eq!(counters(&mut conn), (0, 65));
    store::uploads::complete(&mut conn, &bucket, id, (&[2], 5), 1).unwrap();
    let made = NewObject { size_bytes: 60, content: Content::Parts(id), ..new("k", "e-1", 1) };
    store::objects::insert(&mut conn, &bucket, made).unwrap();
    assert_eq!(counters(&mut conn), (1, 60));
    assert!(store::uploads::open(&mut conn, bucket.id, "k", "u").is_err());
    assert_eq!(store::uploads::outcome(&mut conn, id).unwrap().unwrap().etag, "e-1");
    put(&mut conn, &bucket, "k", "replaced");
    assert_eq!(counters(&mut conn), (1, 10));
    assert_eq!(store::uploads::all_parts(&mut conn, id).unwrap(), vec![], "its parts went with it");
    let given_up = upload(&mut conn, &bucket, "v", 0);
    store::uploads::put_part(&mut conn, &bucket, &part(given_up, 1, 7)).unwrap();
    store::uploads::abort(&mut conn, &bucket, given_up).unwrap();
    assert_eq!(counters(&mut conn), (1, 10));
}

#[test]
fn what_would_go_over_the_quota_is_refused() {
    let mut conn = testing::connection();
    let bucket = bucket(&mut conn, Versioning::Off);
    store::buckets::update(&mut conn, bucket.id, &Change { quota_bytes: Some(Some(25)), ..Change::default() }).unwrap();
    put(&mut conn, &bucket, "a", "e");
    put(&mut conn, &bucket, "b", "e");
    put(&mut conn, &bucket, "b", "replacing needs no more room");
    let refused = store::objects::insert(&mut conn, &bucket, new("c", "e", 1)).unwrap_err();
    assert_eq!(refused.code, drydock_wire::ErrorCode::Forbidden);
    let id = upload(&mut conn, &bucket, "u", 0);
    assert!(store::uploads::put_part(&mut conn, &bucket, &part(id, 1, 6)).is_err());
}

#[tokio::test]
async fn an_object_in_parts_becomes_one_blob_once_and_reads_the_same() {
    let (dir, db) = testing::temporary();
    let objects = crate::objects::Objects::open(db.clone(), &dir.path().join("blobs")).unwrap();
    let pieces = [vec![1u8; 100_000], vec![2; 70_000], vec![3; 10]];
    let mut digests = vec![];
    for piece in &pieces {
        digests.push(objects.put_bytes(Bytes::from(piece.clone())).await.unwrap().digest);
    }
    let whole = pieces.concat();
    let wanted = hex::encode(Sha256::digest(&whole));
    let found = db
        .write(move |conn| {
            let bucket = bucket(conn, Versioning::Off);
            let id = upload(conn, &bucket, "u", 0);
            let mut size_bytes = 0;
            for (number, (digest, piece)) in digests.iter().zip(&pieces).enumerate() {
                let row = PartRow { digest: digest.clone(), ..part(id, number as i64 + 1, piece.len() as i64) };
                store::uploads::put_part(conn, &bucket, &row)?;
                size_bytes += row.size_bytes;
            }
            store::uploads::complete(conn, &bucket, id, (&[], 0), 1)?;
            let made = NewObject { size_bytes, content: Content::Parts(id), ..new("k", "e-3", 1) };
            store::objects::insert(conn, &bucket, made)?;
            let bucket = again(conn);
            reading::look_in(conn, bucket, "k", None, true)?.object()
        })
        .await
        .unwrap();
    assert_eq!((found.part_count(), found.parts(&db, 1, 5).await.unwrap().len()), (Some(3), 2));
    assert_eq!(found.part_range(&db, 2).await.unwrap(), (100_000, 170_000));
    assert!(found.part_range(&db, 4).await.is_err());
    let body = found.stream(&db, &objects, (99_990, 100_020)).await.unwrap();
    let read: Vec<u8> = body.map(|chunk| chunk.unwrap().to_vec()).collect::<Vec<_>>().await.concat();
    assert_eq!(read, whole[99_990..100_020], "over the seam of two parts");
    let (digest, size) = reading::join(&db, &objects, found.clone()).await.unwrap();
    assert_eq!((digest.as_str(), size), (wanted.as_str(), 170_010));
    let row = db
        .read(|conn| {
            let id = again(conn).id;
            store::objects::current(conn, id, "k")
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!((row.digest.as_deref(), row.upload, row.etag.as_str()), (Some(wanted.as_str()), None, "e-3"));
    assert_eq!(db.read(|conn| Ok(counters(conn))).await.unwrap(), (1, 170_010));
    assert_eq!(objects.read(&digest).await.unwrap(), whole);
    let late = found.stream(&db, &objects, (0, 170_010)).await;
    assert_eq!(late.err().unwrap().code, drydock_wire::ErrorCode::Unavailable, "its parts are gone: never half of it");
}

#[test]
fn a_range_reads_only_the_parts_it_lies_in() {
    let mut conn = testing::connection();
    let bucket = bucket(&mut conn, Versioning::Off);
    let id = upload(&mut conn, &bucket, "u", 0);
    for (number, size) in [(1, 10), (3, 4), (7, 1), (9, 10)] {
        store::uploads::put_part(&mut conn, &bucket, &part(id, number, size)).unwrap();
    }
    let piece = |from, to| Piece { digest: "d".into(), from, to };
    for (range, wanted) in [
        ((0, 25), vec![piece(0, 10), piece(0, 4), piece(0, 1), piece(0, 10)]),
        ((10, 14), vec![piece(0, 4)]),
        ((9, 11), vec![piece(9, 10), piece(0, 1)]),
        ((14, 15), vec![piece(0, 1)]),
        ((24, 25), vec![piece(9, 10)]),
        ((5, 5), vec![]),
    ] {
        assert_eq!(store::uploads::pieces(&mut conn, id, range).unwrap(), wanted, "{range:?}");
    }
}

#[test]
fn a_copy_of_parts_is_counted_where_it_lies() {
    let mut conn = testing::connection();
    let bucket = bucket(&mut conn, Versioning::Off);
    let id = upload(&mut conn, &bucket, "u", 0);
    store::uploads::put_part(&mut conn, &bucket, &part(id, 1, 60)).unwrap();
    store::uploads::put_part(&mut conn, &bucket, &part(id, 2, 5)).unwrap();
    let new = NewUpload { upload_id: "copy".into(), ..new_upload(&bucket, "k2", 1) };
    let Content::Parts(copied) = store::uploads::copy(&mut conn, &bucket, id, &new, 9).unwrap() else { panic!() };
    let parts = store::uploads::all_parts(&mut conn, copied).unwrap();
    assert_eq!(
        parts.iter().map(|row| (row.number, row.size_bytes, row.modified_at)).collect::<Vec<_>>(),
        [(1, 60, 9), (2, 5, 9)]
    );
    assert_eq!(counters(&mut conn), (0, 130));
}
