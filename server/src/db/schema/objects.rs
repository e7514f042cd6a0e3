//! Tables of `objects`.

diesel::table! {
    blobs (digest) { digest -> Text, size_bytes -> BigInt, data -> Nullable<Binary>, touched_at -> BigInt, }
}
diesel::table! {
    objects (bucket, key) { bucket -> Text, key -> Text, digest -> Text, created_at -> BigInt, }
}

diesel::joinable!(objects -> blobs (digest));
diesel::allow_tables_to_appear_in_same_query!(blobs, objects);
