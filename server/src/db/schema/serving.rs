//! Tables of `serving`.

diesel::table! {
    deployments (id) {
        id -> Text,
        project_id -> Text,
        name -> Text,
        goal -> BigInt,
        deleting -> Bool,
        created_at -> BigInt,
        created_by -> Text,
        updated_at -> BigInt,
        total_requests -> BigInt,
        total_errors -> BigInt,
        settings -> Text,
        alias -> Nullable<Text>,
        wanted_replicas -> Nullable<BigInt>,
    }
}

diesel::table! {
    revisions (id) {
        id -> Text,
        deployment_id -> Text,
        number -> BigInt,
        model -> Text,
        version -> BigInt,
        resources -> Text,
        state -> Text,
        reason -> Nullable<Text>,
        address -> Nullable<Text>,
        address_since -> Nullable<BigInt>,
        example -> Nullable<Text>,
        created_at -> BigInt,
        created_by -> Text,
        ready_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        release -> Nullable<Text>,
        warm_until -> Nullable<BigInt>,
        served_by -> Text,
    }
}

diesel::table! {
    replicas (id) {
        id -> Text,
        revision_id -> Text,
        number -> BigInt,
        state -> Text,
        reason -> Nullable<Text>,
        address -> Nullable<Text>,
        address_since -> Nullable<BigInt>,
        gpu -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    releases (id) {
        id -> Text,
        deployment_id -> Text,
        revision -> BigInt,
        stable -> BigInt,
        plan -> Text,
        state -> Text,
        step -> BigInt,
        step_began_at -> BigInt,
        paused -> Bool,
        reason -> Nullable<Text>,
        looks -> Text,
        began_at -> BigInt,
        began_by -> Text,
        ended_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    release_events (id) {
        id -> BigInt,
        release_id -> Text,
        at -> BigInt,
        by -> Nullable<Text>,
        what -> Text,
    }
}

diesel::table! {
    gateway_minutes (deployment_id, at) {
        deployment_id -> Text,
        at -> BigInt,
        requests -> BigInt,
        errors -> BigInt,
        histogram -> Binary,
    }
}

diesel::table! {
    token_minutes (deployment_id, at) {
        deployment_id -> Text,
        at -> BigInt,
        answers -> BigInt,
        prompt -> BigInt,
        completion -> BigInt,
        estimated -> BigInt,
        first_token -> Binary,
    }
}

diesel::table! {
    token_callers (deployment_id, caller) {
        deployment_id -> Text,
        caller -> Text,
        answers -> BigInt,
        prompt -> BigInt,
        completion -> BigInt,
        estimated -> BigInt,
    }
}

diesel::table! {
    captured_files (id) {
        id -> BigInt,
        deployment_id -> Text,
        key -> Text,
        from_at -> BigInt,
        until_at -> BigInt,
        row_count -> BigInt,
        size_bytes -> BigInt,
        ids -> Binary,
        bucket -> Text,
    }
}

diesel::table! {
    feedback (deployment_id, request_id, row) {
        deployment_id -> Text,
        request_id -> Text,
        row -> BigInt,
        truth -> Text,
        score -> Nullable<Double>,
        received_at -> BigInt,
        received_from -> Text,
        state -> Text,
        searched_to -> BigInt,
        predicted -> Nullable<Text>,
        predicted_at -> Nullable<BigInt>,
        revision -> Nullable<BigInt>,
        model -> Nullable<Text>,
        version -> Nullable<BigInt>,
        refusal -> Nullable<Text>,
    }
}

diesel::table! {
    experiment_variants (release_id, candidate) {
        release_id -> Text,
        candidate -> Bool,
        requests -> BigInt,
        refused -> BigInt,
        failed -> BigInt,
        histogram -> Binary,
    }
}

diesel::table! {
    experiment_metrics (release_id, metric, candidate) {
        release_id -> Text,
        metric -> Text,
        candidate -> Bool,
        count -> BigInt,
        sum -> Double,
        squares -> Double,
    }
}

diesel::table! {
    experiment_units (release_id, unit) {
        release_id -> Text,
        unit -> BigInt,
    }
}

diesel::table! {
    experiment_agreements (release_id) {
        release_id -> Text,
        equal -> BigInt,
        near -> BigInt,
        different -> BigInt,
        failed -> BigInt,
        dropped -> BigInt,
        skipped -> BigInt,
        largest -> Nullable<Double>,
        examples -> Text,
    }
}

diesel::joinable!(revisions -> deployments (deployment_id));
diesel::joinable!(replicas -> revisions (revision_id));
diesel::joinable!(gateway_minutes -> deployments (deployment_id));
diesel::joinable!(token_minutes -> deployments (deployment_id));
diesel::joinable!(token_callers -> deployments (deployment_id));
diesel::allow_tables_to_appear_in_same_query!(deployments, revisions, replicas, gateway_minutes);
