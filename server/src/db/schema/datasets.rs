//! Tables of `datasets`.

diesel::table! {
    datasets (id) {
        id -> Text,
        project_id -> Text,
        name -> Text,
        description -> Text,
        created_at -> BigInt,
        rules -> Text,
        rules_revision -> BigInt,
        last_version -> BigInt,
        versions_made -> BigInt,
        rules_yaml -> Nullable<Text>,
    }
}

diesel::table! {
    dataset_versions (dataset_id, version) {
        dataset_id -> Text,
        version -> BigInt,
        created_at -> BigInt,
        author -> Text,
        message -> Text,
        file_count -> BigInt,
        size_bytes -> BigInt,
        digest -> Text,
        profiles -> Nullable<Text>,
        report -> Nullable<Text>,
        report_passed -> Nullable<Bool>,
        report_revision -> Nullable<BigInt>,
        manifest -> Nullable<Text>,
        parent -> Nullable<BigInt>,
        source -> Nullable<Text>,
        images -> Nullable<Text>,
    }
}

diesel::table! {
    dataset_files (dataset_id, version, path) {
        dataset_id -> Text,
        version -> BigInt,
        path -> Text,
        digest -> Text,
        size_bytes -> BigInt,
    }
}

diesel::table! {
    dataset_content (dataset_id, digest) {
        dataset_id -> Text,
        digest -> Text,
    }
}

diesel::table! {
    dataset_leftovers (id) {
        id -> Text,
        dataset_id -> Text,
    }
}

diesel::table! {
    dataset_tags (dataset_id, tag) {
        dataset_id -> Text,
        tag -> Text,
        version -> BigInt,
    }
}

diesel::table! {
    uploads (digest, person_id) {
        digest -> Text,
        person_id -> Text,
        size_bytes -> BigInt,
        uploaded_at -> BigInt,
    }
}

diesel::joinable!(dataset_versions -> datasets (dataset_id));
diesel::allow_tables_to_appear_in_same_query!(datasets, dataset_versions, dataset_files, dataset_tags);
use super::objects::blobs;
diesel::allow_tables_to_appear_in_same_query!(dataset_content, blobs);
