//! Tables of `objects`.

diesel::table! {
    blobs (digest) { digest -> Text, size_bytes -> BigInt, data -> Nullable<Binary>, touched_at -> BigInt,
        block_checks -> Nullable<Binary>,
    }
}
diesel::table! {
    objects (bucket, key) { bucket -> Text, key -> Text, digest -> Text, created_at -> BigInt, }
}

diesel::joinable!(objects -> blobs (digest));
diesel::allow_tables_to_appear_in_same_query!(blobs, objects);
diesel::table! {
    damaged_blobs (digest) { digest -> Text, size_bytes -> BigInt, found_at -> BigInt, problem -> Text, }
}
diesel::table! {
    scrub (id) {
        id -> BigInt, started_at -> BigInt, finished_at -> Nullable<BigInt>, after -> Text, checked_count -> BigInt,
        checked_bytes -> BigInt, damaged_count -> BigInt,
    }
}
