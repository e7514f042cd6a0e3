//! Tables of `workloads`.

diesel::table! {
    workloads (id) {
        id -> Text,
        kind -> Text,
        owner -> Text,
        generation -> BigInt,
        desired -> Text,
        spec -> Text,
        secrets -> Text,
        spec_hash -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        stop_cause -> Nullable<Text>,
        stop_words -> Nullable<Text>,
    }
}

diesel::table! {
    workload_observations (workload_id) {
        workload_id -> Text,
        generation -> BigInt,
        phase -> Text,
        container_id -> Nullable<Text>,
        exit_code -> Nullable<BigInt>,
        oom_killed -> Bool,
        started_at -> Nullable<BigInt>,
        finished_at -> Nullable<BigInt>,
        address -> Nullable<Text>,
        message -> Nullable<Text>,
        restarts -> BigInt,
        not_before -> Nullable<BigInt>,
        changed_at -> BigInt,
    }
}

diesel::joinable!(workload_observations -> workloads (workload_id));
diesel::allow_tables_to_appear_in_same_query!(workloads, workload_observations);
