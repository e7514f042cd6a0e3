//! Tables of `traces`. Columns that only hand-written SQL uses are left out: what was read from a cache, and what the database
//! works out of an assessment's value.

use super::tracking::experiments;

diesel::table! {
    traces (id) {
        id -> BigInt,
        trace_id -> Text,
        experiment_id -> BigInt,
        started_at -> BigInt,
        duration_ms -> Nullable<BigInt>,
        state -> Text,
        name -> Nullable<Text>,
        root_name -> Nullable<Text>,
        client_request_id -> Nullable<Text>,
        request_preview -> Nullable<Text>,
        response_preview -> Nullable<Text>,
        span_count -> BigInt,
        finalized -> Bool,
        input_tokens -> Nullable<BigInt>,
        output_tokens -> Nullable<BigInt>,
        total_tokens -> Nullable<BigInt>,
    }
}

diesel::table! {
    trace_tags (trace, key) {
        trace -> BigInt,
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    trace_metadata (trace, key) {
        trace -> BigInt,
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    trace_links (trace, kind, target) {
        trace -> BigInt,
        kind -> BigInt,
        target -> Text,
    }
}

diesel::table! {
    spans (trace, span_id) {
        trace -> BigInt,
        span_id -> BigInt,
        parent_id -> Nullable<BigInt>,
        name -> Text,
        kind -> Text,
        status -> Text,
        start_ns -> BigInt,
        end_ns -> Nullable<BigInt>,
        model -> Nullable<Text>,
        provider -> Nullable<Text>,
        input_cost -> Nullable<Double>,
        output_cost -> Nullable<Double>,
        total_cost -> Nullable<Double>,
        chunk -> Nullable<BigInt>,
        token_usage -> Nullable<Text>,
    }
}

diesel::table! {
    span_chunks (id) {
        id -> BigInt,
        trace -> BigInt,
        data -> Binary,
        unpacked_bytes -> BigInt,
    }
}

diesel::table! {
    assessments (id) {
        id -> BigInt,
        assessment_id -> Text,
        trace -> BigInt,
        name -> Text,
        kind -> Text,
        value -> Text,
        error -> Nullable<Text>,
        source_type -> Text,
        source_id -> Nullable<Text>,
        span_id -> Nullable<Text>,
        rationale -> Nullable<Text>,
        metadata -> Nullable<Text>,
        overrides -> Nullable<Text>,
        valid -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::joinable!(assessments -> traces (trace));
diesel::allow_tables_to_appear_in_same_query!(traces, assessments);
diesel::allow_tables_to_appear_in_same_query!(traces, experiments);
