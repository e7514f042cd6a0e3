//! Tables of `registry`.

diesel::table! {
    registered_models (id) {
        id -> BigInt,
        project_id -> Text,
        name -> Text,
        description -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        last_version -> BigInt,
    }
}

diesel::table! {
    registered_model_tags (model, key) {
        model -> BigInt,
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    model_versions (id) {
        id -> BigInt,
        model -> BigInt,
        version -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        user_name -> Text,
        description -> Text,
        source -> Text,
        storage_location -> Text,
        run_id -> Nullable<Text>,
        run_link -> Text,
        model_id -> Nullable<Text>,
        stage -> Text,
        status -> Text,
    }
}

diesel::table! {
    model_version_tags (version, key) {
        version -> BigInt,
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    model_aliases (model, alias) {
        model -> BigInt,
        alias -> Text,
        version -> BigInt,
        set_at -> BigInt,
        set_by -> Text,
    }
}

diesel::table! {
    alias_moves (id) {
        id -> BigInt,
        model -> BigInt,
        model_name -> Text,
        alias -> Text,
        at -> BigInt,
        moved_by -> Text,
        cause -> Text,
        from_version -> Nullable<BigInt>,
        to_version -> Nullable<BigInt>,
    }
}

diesel::table! {
    model_cards (id) {
        id -> BigInt,
        version -> BigInt,
        revision -> BigInt,
        at -> BigInt,
        author -> Text,
        note -> Text,
        content -> Text,
    }
}

diesel::joinable!(model_versions -> registered_models (model));
diesel::joinable!(model_aliases -> registered_models (model));
diesel::allow_tables_to_appear_in_same_query!(
    registered_models,
    registered_model_tags,
    model_versions,
    model_aliases,
    model_cards
);
diesel::joinable!(model_cards -> model_versions (version));
