//! Tables of `webhooks`.

diesel::table! {
    webhooks (id) {
        id -> Text,
        project_id -> Text,
        name -> Text,
        url -> Text,
        description -> Text,
        status -> Text,
        sealed_secret -> Nullable<Text>,
        created_at -> BigInt,
        created_by -> Text,
        updated_at -> BigInt,
    }
}

diesel::table! {
    webhook_events (webhook, event) {
        webhook -> Text,
        event -> Text,
        place -> BigInt,
    }
}

diesel::table! {
    webhook_deliveries (id) {
        id -> Text,
        webhook -> Text,
        event -> Text,
        body -> Text,
        is_test -> Bool,
        state -> Text,
        created_at -> BigInt,
        attempts -> BigInt,
        due_at -> BigInt,
        tried_at -> Nullable<BigInt>,
        took_ms -> Nullable<BigInt>,
        answer_status -> Nullable<BigInt>,
        answer_body -> Nullable<Text>,
        error -> Nullable<Text>,
    }
}

diesel::joinable!(webhook_events -> webhooks (webhook));
diesel::joinable!(webhook_deliveries -> webhooks (webhook));
diesel::allow_tables_to_appear_in_same_query!(webhooks, webhook_events, webhook_deliveries);
