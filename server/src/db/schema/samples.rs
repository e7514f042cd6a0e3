//! Table of what attempts of jobs used.

diesel::table! {
    attempt_samples (job_id, number, minute) {
        job_id -> Text,
        number -> BigInt,
        minute -> BigInt,
        data -> Binary,
    }
}
