//! Tables of `tracking`.

diesel::table! {
    experiments (id) {
        id -> BigInt,
        project_id -> Text,
        name -> Text,
        artifact_location -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    experiment_tags (experiment_id, key) {
        experiment_id -> BigInt,
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    runs (id) {
        id -> BigInt,
        run_id -> Text,
        experiment_id -> BigInt,
        name -> Text,
        user_name -> Text,
        status -> Text,
        started_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        deleted_at -> Nullable<BigInt>,
        job_id -> Nullable<Text>,
        awaits_job -> Bool,
    }
}

diesel::table! {
    run_params (run, key) {
        run -> BigInt,
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    run_tags (run, key) {
        run -> BigInt,
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    metrics (id) {
        id -> BigInt,
        run -> BigInt,
        key -> Text,
        step -> BigInt,
        at -> BigInt,
        value -> Double,
        is_nan -> Bool,
        experiment_id -> BigInt,
    }
}

diesel::table! {
    metric_points (series, step, at, value, is_nan) {
        series -> BigInt,
        step -> BigInt,
        at -> BigInt,
        value -> Double,
        is_nan -> Bool,
    }
}

diesel::table! {
    run_datasets (id) {
        id -> BigInt,
        experiment_id -> BigInt,
        name -> Text,
        digest -> Text,
        source_type -> Text,
        source -> Text,
        dataset_schema -> Nullable<Text>,
        profile -> Nullable<Text>,
    }
}

diesel::table! {
    run_inputs (run, dataset) {
        run -> BigInt,
        dataset -> BigInt,
        context -> Nullable<Text>,
        tags -> Text,
    }
}

diesel::table! {
    logged_models (id) {
        id -> BigInt,
        model_id -> Text,
        experiment_id -> BigInt,
        name -> Text,
        model_type -> Text,
        source_run_id -> Nullable<Text>,
        status -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    logged_model_params (model, key) {
        model -> BigInt,
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    logged_model_tags (model, key) {
        model -> BigInt,
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    logged_model_metrics (model, key, at, step, run_id) {
        model -> BigInt,
        key -> Text,
        at -> BigInt,
        step -> BigInt,
        run_id -> Text,
        value -> Double,
        is_nan -> Bool,
        dataset_name -> Nullable<Text>,
        dataset_digest -> Nullable<Text>,
    }
}

diesel::table! {
    run_models (run, direction, model_id, step) {
        run -> BigInt,
        direction -> BigInt,
        model_id -> Text,
        step -> BigInt,
    }
}

diesel::joinable!(runs -> experiments (experiment_id));
diesel::joinable!(logged_models -> experiments (experiment_id));
diesel::joinable!(run_inputs -> run_datasets (dataset));
diesel::allow_tables_to_appear_in_same_query!(experiments, runs, logged_models, run_inputs, run_datasets);

diesel::table! {
    saved_views (id) {
        id -> Text,
        project_id -> Text,
        owner -> Text,
        kind -> Text,
        name -> Text,
        query -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
