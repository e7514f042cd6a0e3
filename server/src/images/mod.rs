//! The OCI registry face. It stands with health and authentication (`docker login` works); pushing and pulling come with
//! their own issue, until then everything below `/v2/` answers UNSUPPORTED.

mod oci;

pub use oci::configure;
