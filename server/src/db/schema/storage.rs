//! Tables of `storage`.

use super::accounts::people;

diesel::table! {
    buckets (id) {
        id -> BigInt,
        project_id -> Text,
        name -> Text,
        owner -> Text,
        access -> Text,
        created_at -> BigInt,
        versioning -> Text,
        quota_bytes -> Nullable<BigInt>,
        lifecycle -> Nullable<Text>,
        cors -> Nullable<Text>,
        tags -> Nullable<Text>,
        size_bytes -> BigInt,
        object_count -> BigInt,
    }
}

diesel::table! {
    bucket_grants (bucket, person_id) { bucket -> BigInt, person_id -> Text, may_write -> Bool, }
}

diesel::table! {
    bucket_uploads (id) {
        id -> BigInt,
        upload_id -> Text,
        bucket -> BigInt,
        key -> Text,
        person_id -> Text,
        begun_at -> BigInt,
        completed_at -> Nullable<BigInt>,
        content_type -> Nullable<Text>,
        about -> Nullable<Text>,
        checksum -> Nullable<Text>,
        whole_checksum -> Bool,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    bucket_parts (upload, number) {
        upload -> BigInt,
        number -> BigInt,
        digest -> Text,
        size_bytes -> BigInt,
        md5 -> Text,
        checksum -> Nullable<Text>,
        modified_at -> BigInt,
    }
}

diesel::table! {
    bucket_objects (bucket, shelf, key, seq) {
        bucket -> BigInt,
        shelf -> BigInt,
        key -> Text,
        seq -> BigInt,
        is_null -> Bool,
        is_marker -> Bool,
        size_bytes -> BigInt,
        modified_at -> BigInt,
        etag -> Text,
        digest -> Nullable<Text>,
        upload -> Nullable<BigInt>,
        content_type -> Nullable<Text>,
        about -> Nullable<Text>,
    }
}

diesel::joinable!(bucket_grants -> buckets (bucket));
diesel::joinable!(bucket_uploads -> buckets (bucket));
diesel::joinable!(bucket_parts -> bucket_uploads (upload));
diesel::joinable!(bucket_objects -> buckets (bucket));
diesel::allow_tables_to_appear_in_same_query!(buckets, bucket_grants, bucket_uploads, bucket_parts, bucket_objects);
diesel::allow_tables_to_appear_in_same_query!(buckets, people);
diesel::allow_tables_to_appear_in_same_query!(bucket_grants, people);
diesel::allow_tables_to_appear_in_same_query!(bucket_uploads, people);
