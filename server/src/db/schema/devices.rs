//! Tables of `devices`.

diesel::table! {
    gpus (uuid) {
        uuid -> Text,
        parent_uuid -> Nullable<Text>,
        name -> Text,
        number -> BigInt,
        memory_bytes -> BigInt,
        foreign_bytes -> BigInt,
        is_divided -> Bool,
        sharable -> Bool,
        state -> Text,
        reason -> Nullable<Text>,
        state_since -> BigInt,
        frees -> Nullable<Text>,
        boot_id -> Nullable<Text>,
        frees_itself_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    gpu_leases (workload_id, generation, gpu_uuid) {
        workload_id -> Text,
        generation -> BigInt,
        gpu_uuid -> Text,
        memory_bytes -> Nullable<BigInt>,
        taken_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        ended_because -> Nullable<Text>,
    }
}

diesel::table! {
    gpu_events (id) {
        id -> BigInt,
        gpu_uuid -> Text,
        at -> BigInt,
        kind -> Text,
        code -> Nullable<BigInt>,
        words -> Text,
        workload_id -> Nullable<Text>,
    }
}

diesel::joinable!(gpu_leases -> gpus (gpu_uuid));
diesel::joinable!(gpu_events -> gpus (gpu_uuid));
diesel::allow_tables_to_appear_in_same_query!(gpus, gpu_leases, gpu_events);
