//! Tables of `jobs` and of the queues they wait in.

diesel::table! {
    jobs (id) {
        id -> Text,
        project_id -> Text,
        name -> Text,
        state -> Text,
        reason -> Nullable<Text>,
        spec -> Text,
        person_id -> Text,
        submitted_by -> Text,
        submitted_at -> BigInt,
        started_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        exit_code -> Nullable<BigInt>,
        cancel_requested_at -> Nullable<BigInt>,
        queue_id -> Nullable<Text>,
        sweep_id -> Nullable<Text>,
        parent_id -> Nullable<Text>,
        priority -> Integer,
        since -> Nullable<BigInt>,
        not_before -> Nullable<BigInt>,
        failures -> Integer,
        limit_s -> Nullable<BigInt>,
        cpus_milli -> BigInt,
        memory_bytes -> BigInt,
        disk_bytes -> BigInt,
        gpus -> Integer,
        gpu_memory_bytes -> Nullable<BigInt>,
        resumable -> Bool,
        promised_by -> Nullable<BigInt>,
    }
}

diesel::table! {
    job_attempts (job_id, number) {
        job_id -> Text,
        number -> BigInt,
        state -> Text,
        admitted_at -> BigInt,
        started_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        exit_code -> Nullable<BigInt>,
        out_of_memory -> Bool,
        timed_out -> Bool,
        reason -> Nullable<Text>,
        gpu_uuids -> Text,
        cause -> Nullable<Text>,
        run_id -> Nullable<Text>,
        image_id -> Nullable<Text>,
        peak_memory_bytes -> Nullable<BigInt>,
        boot_id -> Nullable<Text>,
    }
}

diesel::table! {
    queues (id) {
        id -> Text,
        project_id -> Text,
        name -> Text,
        weight -> Integer,
        caps -> Text,
        person_caps -> Text,
        patience_s -> BigInt,
        longest_s -> BigInt,
        highest_priority -> Integer,
        preempts -> Bool,
        paused -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    queue_lines (queue_id, person_id) {
        queue_id -> Text,
        person_id -> Text,
        turn_at -> Nullable<BigInt>,
        used_hours -> Double,
        used_at -> BigInt,
    }
}

diesel::table! {
    sweeps (id) {
        id -> Text,
        project_id -> Text,
        name -> Text,
        spec -> Text,
        most_at_once -> Integer,
        person_id -> Text,
        created_at -> BigInt,
        cancelled_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    secrets (project_id, name) {
        project_id -> Text,
        name -> Text,
        sealed -> Text,
        size_bytes -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        updated_by -> Text,
    }
}

diesel::joinable!(job_attempts -> jobs (job_id));
diesel::allow_tables_to_appear_in_same_query!(jobs, job_attempts, queues, queue_lines, sweeps);
