//! Tables of `packages`.

diesel::table! {
    packages (id) {
        id -> BigInt,
        project_id -> Text,
        name -> Text,
        shown -> Text,
        summary -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    package_files (package, filename) {
        package -> BigInt,
        filename -> Text,
        version -> Text,
        tags -> Text,
        digest -> Text,
        size_bytes -> BigInt,
        requires_python -> Nullable<Text>,
        requires -> Text,
        metadata -> Text,
        yanked -> Nullable<Text>,
        uploaded_at -> BigInt,
        uploaded_by -> Text,
    }
}

diesel::joinable!(package_files -> packages (package));
diesel::allow_tables_to_appear_in_same_query!(packages, package_files);
