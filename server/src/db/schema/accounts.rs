//! Tables of `accounts`.

diesel::table! { settings (key) { key -> Text, value -> Text, } }
diesel::table! {
    projects (id) {
        id -> Text,
        name -> Text,
        created_at -> BigInt,
        description -> Text,
        private -> Bool,
        created_by -> Text,
    }
}
diesel::table! {
    project_members (project_id, person_id) {
        project_id -> Text,
        person_id -> Text,
        role -> Text,
        added_at -> BigInt,
    }
}
diesel::table! {
    people (id) {
        id -> Text,
        username -> Text,
        password_hash -> Text,
        role -> Text,
        disabled -> Bool,
        created_at -> BigInt,
        last_seen_at -> Nullable<BigInt>,
    }
}
diesel::table! {
    sessions (id) {
        id -> Text,
        secret_hash -> Text,
        person_id -> Text,
        created_at -> BigInt,
        last_used_at -> BigInt,
        address -> Text,
        user_agent -> Text,
    }
}
diesel::table! {
    tokens (id) {
        id -> Text,
        secret_hash -> Text,
        person_id -> Text,
        kind -> Text,
        workload_id -> Nullable<Text>,
        name -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        project_id -> Nullable<Text>,
        role -> Nullable<Text>,
    }
}
diesel::table! {
    s3_keys (access_key) {
        access_key -> Text,
        sealed_secret -> Text,
        person_id -> Text,
        created_at -> BigInt,
        name -> Text,
        workload_id -> Nullable<Text>,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        scopes -> Text,
        project_id -> Nullable<Text>,
    }
}
diesel::table! {
    limits (kind, id) {
        kind -> Text,
        id -> Text,
        project -> Nullable<Text>,
        role -> Nullable<Text>,
    }
}
diesel::table! {
    audit (id) {
        id -> BigInt,
        at -> BigInt,
        actor -> Text,
        address -> Text,
        action -> Text,
        subject -> Text,
        detail -> Text,
        hash -> Text,
    }
}

diesel::table! {
    audit_checkpoints (row_id) {
        row_id -> BigInt,
        row_hash -> Text,
        at -> BigInt,
        signature -> Text,
    }
}

diesel::table! {
    logins (id) {
        id -> BigInt,
        at -> BigInt,
        username -> Text,
        address -> Text,
        user_agent -> Text,
        outcome -> Text,
    }
}
diesel::table! {
    password_links (secret_hash) {
        secret_hash -> Text,
        person_id -> Text,
        created_at -> BigInt,
        created_by -> Text,
        expires_at -> BigInt,
    }
}

diesel::joinable!(sessions -> people (person_id));
diesel::joinable!(tokens -> people (person_id));
diesel::joinable!(s3_keys -> people (person_id));
diesel::joinable!(project_members -> people (person_id));
diesel::joinable!(password_links -> people (person_id));
diesel::joinable!(project_members -> projects (project_id));
diesel::allow_tables_to_appear_in_same_query!(
    people,
    sessions,
    tokens,
    s3_keys,
    projects,
    project_members,
    password_links
);
