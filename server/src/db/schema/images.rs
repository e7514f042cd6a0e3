//! Tables of `images`.

diesel::table! {
    repositories (id) {
        id -> BigInt,
        project_id -> Text,
        name -> Text,
        created_at -> BigInt,
        created_by -> Text,
        keep_last -> Nullable<BigInt>,
        keep_tags -> Text,
        untagged_days -> Nullable<BigInt>,
    }
}

diesel::table! {
    repository_blobs (repository, name) {
        repository -> BigInt,
        name -> Text,
        digest -> Text,
        size_bytes -> BigInt,
        pushed_at -> BigInt,
        pushed_by -> Text,
        touched_at -> BigInt,
    }
}

diesel::table! {
    manifests (id) {
        id -> BigInt,
        repository -> BigInt,
        name -> Text,
        digest -> Text,
        size_bytes -> BigInt,
        media_type -> Text,
        artifact_type -> Nullable<Text>,
        subject -> Nullable<Text>,
        annotations -> Nullable<Text>,
        platforms -> Text,
        total_bytes -> BigInt,
        pushed_at -> BigInt,
        pushed_by -> Text,
        untagged_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    manifest_refs (manifest, position) {
        manifest -> BigInt,
        position -> BigInt,
        repository -> BigInt,
        kind -> Text,
        name -> Text,
        size_bytes -> BigInt,
        media_type -> Text,
    }
}

diesel::table! {
    image_tags (repository, tag) {
        repository -> BigInt,
        tag -> Text,
        manifest -> BigInt,
        pushed_at -> BigInt,
        pushed_by -> Text,
    }
}

diesel::table! {
    image_tag_moves (id) {
        id -> BigInt,
        repository -> BigInt,
        tag -> Text,
        name -> Nullable<Text>,
        at -> BigInt,
        moved_by -> Text,
    }
}

diesel::joinable!(repository_blobs -> repositories (repository));
diesel::joinable!(manifests -> repositories (repository));
diesel::joinable!(image_tags -> manifests (manifest));
diesel::allow_tables_to_appear_in_same_query!(repositories, repository_blobs, manifests, image_tags, manifest_refs);
