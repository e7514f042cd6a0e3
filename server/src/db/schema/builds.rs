//! Tables of `builds`.

diesel::table! {
    builds (id) {
        id -> Text,
        project_id -> Text,
        repository -> Text,
        tag -> Text,
        spec -> Text,
        state -> Text,
        reason -> Nullable<Text>,
        step -> Nullable<Text>,
        dockerfile -> Nullable<Text>,
        bases -> Text,
        missing -> Nullable<Text>,
        digest -> Nullable<Text>,
        size_bytes -> Nullable<BigInt>,
        tries -> BigInt,
        person_id -> Text,
        cancel_requested_at -> Nullable<BigInt>,
        submitted_at -> BigInt,
        started_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    build_layers (image_id) {
        image_id -> Text,
        size_bytes -> BigInt,
        position -> BigInt,
        used_at -> BigInt,
    }
}
