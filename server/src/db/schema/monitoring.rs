//! Tables of `monitoring`.

diesel::table! {
    drift_windows (id) {
        id -> BigInt,
        deployment_id -> Text,
        from_at -> BigInt,
        until_at -> BigInt,
        row_count -> BigInt,
        outcome -> Text,
        drifted_count -> Nullable<BigInt>,
        compared_count -> Nullable<BigInt>,
        reference -> Text,
        pipelines -> Text,
        report -> Nullable<Binary>,
    }
}
