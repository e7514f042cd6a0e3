//! Tables of `transfers`.

diesel::table! {
    imported (kind, foreign_id, made_at) {
        kind -> Text,
        foreign_id -> Text,
        made_at -> BigInt,
        local_id -> Text,
        digest -> Text,
        source -> Text,
        imported_at -> BigInt,
        imported_by -> Text,
        tags -> Text,
    }
}
