//! Tables of `jobs`.

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
    }
}

diesel::joinable!(job_attempts -> jobs (job_id));
diesel::allow_tables_to_appear_in_same_query!(jobs, job_attempts);
