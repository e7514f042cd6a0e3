//! Secrets of the project: values that jobs get as files and that nobody reads back.

wire! {
    /// `GET /api/v1/secrets`. A value leaves the box's store only into the containers of jobs that name it.
    #[derive(Eq)]
    pub struct Secret {
        pub name: String,
        pub size_bytes: u64,
        pub created_at: i64,
        pub updated_at: i64,
        /// Who set its present value.
        pub updated_by: String,
        /// Jobs that name it and have not ended.
        pub job_ids: Vec<String>,
    }

    /// `PUT /api/v1/secrets/{name}`: makes it, or gives it another value; jobs that run keep the one they started with.
    #[derive(Eq)]
    #[serde(deny_unknown_fields)]
    pub struct PutSecret {
        /// 1 byte to 64 KiB of text.
        pub value: String,
    }
}
