//! Tables of `pipelines`.

diesel::table! {
    pipelines (id) {
        id -> Text,
        project_id -> Text,
        name -> Text,
        paused -> Bool,
        last_version -> BigInt,
        last_run -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    pipeline_versions (pipeline_id, version) {
        pipeline_id -> Text,
        version -> BigInt,
        yaml -> Text,
        spec -> Text,
        author_id -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    pipeline_runs (id) {
        id -> Text,
        pipeline_id -> Text,
        version -> BigInt,
        number -> BigInt,
        parameters -> Text,
        state -> Text,
        reason -> Nullable<Text>,
        cause -> Text,
        dedupe -> Nullable<Text>,
        person_id -> Text,
        created_at -> BigInt,
        started_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    pipeline_tasks (run_id, task, item, number) {
        run_id -> Text,
        task -> Text,
        item -> BigInt,
        number -> BigInt,
        state -> Text,
        retried -> Integer,
        fresh -> Bool,
        not_before -> Nullable<BigInt>,
        started_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        subject -> Nullable<Text>,
        value -> Nullable<Text>,
        outputs -> Nullable<Text>,
        cache_key -> Nullable<Text>,
        cached_from -> Nullable<Text>,
        reason -> Nullable<Text>,
    }
}

diesel::table! {
    pipeline_cache (pipeline_id, key) {
        pipeline_id -> Text,
        key -> Text,
        run_id -> Text,
        outputs -> Text,
        made_at -> BigInt,
    }
}

diesel::table! {
    pipeline_schedules (id) {
        id -> Text,
        pipeline_id -> Text,
        name -> Text,
        cron -> Text,
        zone -> Text,
        catch_up -> Text,
        parameters -> Text,
        paused -> Bool,
        person_id -> Text,
        done_until -> BigInt,
        by_hand -> Bool,
    }
}

diesel::table! {
    pipeline_triggers (id) {
        id -> Text,
        pipeline_id -> Text,
        kind -> Text,
        subject -> Text,
        state -> Nullable<Text>,
        parameters -> Text,
        sealed_token -> Nullable<Text>,
        person_id -> Text,
    }
}

diesel::table! {
    pipeline_events (id) {
        id -> BigInt,
        kind -> Text,
        subject -> Text,
        trigger_id -> Nullable<Text>,
        detail -> Text,
        at -> BigInt,
        taken_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    pipeline_approvals (run_id, task, item, number) {
        run_id -> Text,
        task -> Text,
        item -> BigInt,
        number -> BigInt,
        person_id -> Text,
        approved -> Bool,
        comment -> Text,
        at -> BigInt,
    }
}

diesel::joinable!(pipeline_runs -> pipelines (pipeline_id));
diesel::allow_tables_to_appear_in_same_query!(pipelines, pipeline_runs, pipeline_tasks);
