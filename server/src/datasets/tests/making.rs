//! Making versions: what is told, refused and left in the audit trail.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use drydock_wire::datasets::VersionFromBucket;

use super::*;

#[tokio::test]
async fn a_version_is_made_only_when_the_content_changed() {
    let the = bench(Limits::default());
    the.create("d").await;
    let table = the.upload("ann", CSV).await;
    let first = the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    assert!(first.created && first.version.version == 1);
    let again = the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    assert_eq!((again.created, &again.version), (false, &first.version));
    let note = the.upload("ann", b"read me").await;
    let second = the.version_of("ann", "d", vec![file("a.csv", &table), file("note.txt", &note)]).await.unwrap();
    assert!(second.created && second.version.version == 2 && second.version.file_count == 2);
    let detail = get(&the.app, &view(), "d").await.unwrap();
    assert_eq!(detail.versions.iter().map(|version| version.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(detail.summary.latest, Some(second.version));
}

#[tokio::test]
async fn nobody_refers_to_bytes_that_they_did_not_upload() {
    let the = bench(Limits::default());
    the.create("d").await;
    let table = the.upload("ann", CSV).await;
    let stolen = the.version_of("bob", "d", vec![file("a.csv", &table)]).await.unwrap_err();
    assert_eq!(stolen.code, ErrorCode::InvalidRequest);
    the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    // what the version before has may stay, under another name too
    let note = the.upload("bob", b"note").await;
    the.version_of("bob", "d", vec![file("b.csv", &table), file("note.txt", &note)]).await.unwrap();
    let wrong_size = DatasetFile { size_bytes: 1, ..file("b.csv", &table) };
    assert!(the.version_of("bob", "d", vec![wrong_size]).await.is_err());
}

#[tokio::test]
async fn a_jobs_token_makes_no_version_of_a_bucket_that_its_own_key_may_not_read() {
    let the = bench(Limits::default());
    the.create("d").await;
    let job = Principal { via: Via::Job, job_id: Some("j".into()), ..somebody("ann") };
    let wish = serde_json::from_value::<VersionFromBucket>(serde_json::json!({ "bucket": "cellar" })).unwrap();
    let job = authorize(&job, action::Develop, "default").unwrap();
    let refused = sources::from_bucket(&the.app, &job, "d", wish.clone()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
    // its person is only told that there is no such bucket
    let absent = sources::from_bucket(&the.app, &develop("ann"), "d", wish).await.unwrap_err();
    assert_eq!(absent.code, ErrorCode::NotFound);
}

fn found(files: &[(&str, &Upload)], base: Option<&str>) -> Found {
    Found {
        files: files.iter().map(|(path, file)| ((*path).into(), file.digest.clone(), file.size_bytes)).collect(),
        source: VersionSource::Upload,
        message: "m".into(),
        base_version: base.map(str::to_owned),
        into: String::new(),
    }
}

#[tokio::test]
async fn a_version_that_is_refused_leaves_no_dataset_that_was_made_for_it() {
    let the = bench(Limits::default());
    let (ann, table) = (develop("ann"), the.upload("ann", CSV).await);
    // a base that a new dataset cannot have; a file that is a folder, too, which is found when it is written; a name that cannot be
    for (name, wish, code) in [
        ("d", found(&[("a.csv", &table)], Some("latest")), ErrorCode::NotFound),
        ("d", found(&[("a", &table), ("a/b.csv", &table)], None), ErrorCode::InvalidRequest),
        ("No Name", found(&[("a.csv", &table)], None), ErrorCode::InvalidRequest),
    ] {
        let refused = from_found(&the.app, &ann, name, true, wish).await.unwrap_err();
        assert_eq!(refused.code, code, "{name}: {refused}");
        assert_eq!(get(&the.app, &view(), name).await.unwrap_err().code, ErrorCode::NotFound, "{name} is there");
    }
    let absent = from_found(&the.app, &ann, "d", false, found(&[("a.csv", &table)], None)).await.unwrap_err();
    assert!(absent.code == ErrorCode::NotFound && absent.message.contains("(create)"), "{absent}");
    let made = from_found(&the.app, &ann, "d", true, found(&[("a.csv", &table)], None)).await.unwrap();
    assert!(made.created && made.version.version == 1);
    // nothing of the refused ones is held
    leftovers::clean(&the.app).await.unwrap();
    #[derive(diesel::QueryableByName)]
    struct Held {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        datasets: i64,
    }
    let held = |conn: &mut Conn| {
        use diesel::prelude::*;
        let query = diesel::sql_query("SELECT count(DISTINCT dataset_id) AS datasets FROM dataset_content");
        query.get_result::<Held>(conn).map_err(Error::internal)
    };
    assert_eq!(the.app.db.read(held).await.unwrap().datasets, 1);
}

#[tokio::test]
async fn two_who_make_a_dataset_of_what_was_found_at_once_make_one() {
    let the = bench(Limits::default());
    let (ann, table, note) = (develop("ann"), the.upload("ann", CSV).await, the.upload("ann", b"note").await);
    let first = from_found(&the.app, &ann, "d", true, found(&[("a.csv", &table)], None));
    let second = from_found(&the.app, &ann, "d", true, found(&[("note.txt", &note)], None));
    let (first, second) = futures_util::join!(first, second);
    let mut numbers = [first.unwrap().version.version, second.unwrap().version.version];
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(list(&the.app, &view()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_upload_above_the_limit_is_refused_and_not_kept() {
    let the = bench(Limits { upload_bytes: 10, ..Limits::default() });
    let body = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(CSV))]);
    assert_eq!(super::upload(&the.app, &develop("ann"), body).await.unwrap_err().code, ErrorCode::TooLarge);
    let blobs = the.app.db.read(objects::store::totals).await.unwrap();
    assert_eq!(blobs, (0, 0));
}

#[tokio::test]
async fn every_change_leaves_an_audit_row() {
    let the = bench(Limits::default());
    the.create("d").await;
    let table = the.upload("ann", CSV).await;
    the.version_of("ann", "d", vec![file("a.csv", &table)]).await.unwrap();
    let rules = vec![Rule { file: None, check: Check::RowCount { min: Some(1), max: None } }];
    set_rules(&the.app, &develop("ann"), "d", rules.clone(), None).await.unwrap();
    set_rules(&the.app, &develop("ann"), "d", rules, None).await.unwrap();
    check(&the.app, &develop("ann"), "d", "1").await.unwrap();
    uses::delete(&the.app, &develop("ann"), "d", None, false).await.unwrap();
    use diesel::prelude::*;
    let actions: Vec<String> = the
        .app
        .db
        .read(|conn| {
            use crate::db::schema::accounts::audit;
            audit::table.order(audit::id).select(audit::action).load(conn).map_err(Error::internal)
        })
        .await
        .unwrap();
    let expected = ["dataset.create", "dataset.version", "dataset.rules", "dataset.validate", "dataset.delete"];
    assert_eq!(actions, expected);
}

#[actix_web::test]
async fn a_file_comes_as_an_attachment_whole_or_in_part() {
    let the = bench(Limits::default());
    the.create("d").await;
    let table = the.upload("ann", CSV).await;
    the.version_of("ann", "d", vec![file("dir/a.csv", &table)]).await.unwrap();
    let (app, wanted) = (the.app.clone(), file("dir/a.csv", &table));
    let serve = move |request: actix_web::HttpRequest| {
        let (app, wanted) = (app.clone(), wanted.clone());
        async move { download::answer(&app, &request, &wanted).await }
    };
    let service = init_service(actix_web::App::new().default_service(actix_web::web::to(serve))).await;
    let whole = call_service(&service, TestRequest::get().to_request()).await;
    let header = |name: &str| whole.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(header("content-disposition").starts_with("attachment; filename=\"a.csv\""));
    assert_eq!(read_body(whole).await, CSV);
    let part = TestRequest::get().insert_header(("range", "bytes=3-6")).to_request();
    let part = call_service(&service, part).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    let range = format!("bytes 3-6/{}", CSV.len());
    assert_eq!(part.headers().get("content-range").unwrap().to_str().unwrap(), range);
    assert_eq!(read_body(part).await, &CSV[3..7]);
    let beyond = TestRequest::get().insert_header(("range", "bytes=900-")).to_request();
    assert_eq!(call_service(&service, beyond).await.status(), StatusCode::RANGE_NOT_SATISFIABLE);
}

#[actix_web::test]
async fn nobody_comes_in_without_proof() {
    use utoipa_actix_web::AppExt;
    let the = bench(Limits::default());
    let key = crate::accounts::secrets::BoxKey::load_or_create(&the.app.data_dir.join("box.key")).unwrap();
    let accounts = crate::accounts::Accounts::start(the.app.db.clone(), key).await.unwrap();
    let app = actix_web::App::new().app_data(Data::new(the.app.clone())).app_data(Data::new(accounts));
    let service = init_service(app.into_utoipa_app().configure(configure).into_app()).await;
    let asked = [
        TestRequest::get().uri("/datasets"),
        TestRequest::get().uri("/datasets/d/versions/1/file?path=a"),
        TestRequest::put().uri("/uploads"),
        TestRequest::delete().uri("/datasets/d"),
    ];
    for request in asked {
        let answer = call_service(&service, request.to_request()).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let body: drydock_wire::ErrorBody = read_body_json(answer).await;
        assert_eq!(body.code, ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn a_change_to_a_version_is_all_that_has_to_be_sent() {
    let the = bench(Limits::default());
    the.create("d").await;
    let (a, b) = (the.upload("ann", b"a").await, the.upload("ann", b"b").await);
    let all = vec![file("keep.txt", &a), file("old/x.txt", &a), file("old/y.txt", &b), file("z.txt", &b)];
    the.version_of("ann", "d", all).await.unwrap();
    let delta = CreateVersion {
        files: vec![file("z.txt", &a), file("new.txt", &b)],
        remove: vec!["old/".into()],
        base_version: Some("latest".into()),
        message: String::new(),
    };
    let made = versions::create(&the.app, &develop("ann"), "d", delta.clone()).await.unwrap();
    assert_eq!((made.version.version, made.version.parent, made.version.file_count), (2, Some(1), 3));
    let detail = versions::detail(&the.app, &view(), "d", "2").await.unwrap();
    let shown: Vec<(&str, &str)> = detail.files.iter().map(|file| (file.path.as_str(), file.digest.as_str())).collect();
    assert_eq!(shown, [("keep.txt", &*a.digest), ("new.txt", &*b.digest), ("z.txt", &*a.digest)]);
    let gone = versions::create(&the.app, &develop("ann"), "d", delta).await.unwrap_err();
    assert_eq!((gone.code, gone.message.as_str()), (ErrorCode::NotFound, "The version has no folder \"old/\"."));
    // the same from lines, out of the first version
    let lines = format!("{}\n\n{{\"remove\": \"old/x.txt\"}}", serde_json::to_string(&file("more.txt", &a)).unwrap());
    let body = stream::iter(
        lines.into_bytes().chunks(7).map(|c| Ok::<_, std::io::Error>(Bytes::copy_from_slice(c))).collect::<Vec<_>>(),
    );
    let made =
        versions::create_from_lines(&the.app, &develop("ann"), "d", Some("1".into()), "m".into(), body).await.unwrap();
    assert_eq!((made.version.version, made.version.parent, made.version.file_count), (3, Some(1), 4));
    let body = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{\"path\": 3}\n"))]);
    let bad = versions::create_from_lines(&the.app, &develop("ann"), "d", None, "m".into(), body).await.unwrap_err();
    assert!(bad.message.starts_with("Line 1"), "{}", bad.message);
}

#[tokio::test]
async fn a_file_cannot_be_a_folder_even_far_from_it() {
    let the = bench(Limits::default());
    the.create("d").await;
    let a = the.upload("ann", b"a").await;
    let clash = vec![file("a", &a), file("a-b", &a), file("a.c/d", &a), file("a/b", &a)];
    let refused = the.version_of("ann", "d", clash).await.unwrap_err();
    assert_eq!(refused.message, "\"a\" is a file and, for \"a/b\", a folder.");
    the.version_of("ann", "d", vec![file("a", &a), file("a-b", &a), file("b/a", &a)]).await.unwrap();
    let delta = CreateVersion { files: vec![file("a/b", &a)], base_version: Some("1".into()), ..Default::default() };
    assert!(versions::create(&the.app, &develop("ann"), "d", delta).await.is_err());
}

#[tokio::test]
async fn one_changed_file_of_many_writes_two_small_blobs() {
    let the = bench(Limits::default());
    the.create("d").await;
    let (a, b) = (the.upload("ann", b"a").await, the.upload("ann", b"b").await);
    let many = (0..20_000).map(|n| file(&format!("{:02}/{n:05}.txt", n % 50), &a)).collect();
    the.version_of("ann", "d", many).await.unwrap();
    let before = the.app.db.read(objects::store::totals).await.unwrap();
    let delta = CreateVersion {
        files: vec![file("07/00007.txt", &b)],
        base_version: Some("latest".into()),
        ..Default::default()
    };
    versions::create(&the.app, &develop("ann"), "d", delta).await.unwrap();
    let after = the.app.db.read(objects::store::totals).await.unwrap();
    assert_eq!(after.0 - before.0, 2, "the chunk and the root");
    // whole folders are counted, and paged through
    let wanted = versions::Listing { limit: 30, ..Default::default() };
    let first = versions::files(&the.app, &view(), "d", "2", wanted.clone()).await.unwrap();
    let wanted = versions::Listing { after: first.next.clone(), ..wanted };
    let second = versions::files(&the.app, &view(), "d", "2", wanted).await.unwrap();
    assert_eq!((first.folders.len(), second.folders.len(), second.next), (30, 20, None));
    assert!(first.folders.iter().chain(&second.folders).all(|folder| folder.file_count == 400));
    let wanted = versions::Listing { prefix: "07/".into(), limit: 2, ..Default::default() };
    let inside = versions::files(&the.app, &view(), "d", "2", wanted).await.unwrap();
    assert_eq!(inside.files[0].digest, b.digest);
    assert_eq!(inside.next.as_deref(), Some("07/00057.txt"));
}
