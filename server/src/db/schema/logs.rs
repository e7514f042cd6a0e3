//! Tables of `logs`.

diesel::table! {
    log_sources (source) {
        source -> Text,
        index_id -> Text,
        kind -> Text,
        owner -> Text,
        name -> Text,
        part -> Text,
        project_id -> Text,
        next_seq -> BigInt,
        finished -> Bool,
        seen_at -> BigInt,
    }
}
