//! What names a part of S3 that there is not. `s3s` finds an operation by the names in the query that it knows and takes anything
//! else for the plain one of the method, so that `DELETE /bucket/key?annotation` would remove the key and `PUT /bucket/key?renameObject`
//! would write over it. And headers that ask for what is not done. Both answer NotImplemented, as the manual promises.

use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    s3_error,
};

use super::answers::refusal;
use crate::error::{Error, Result};

/// What requests come to that name nothing else.
const PLAIN: [&str; 11] = [
    "CopyObject",
    "CreateBucket",
    "DeleteBucket",
    "DeleteObject",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListObjects",
    "ListObjectsV2",
    "PutObject",
];

/// Parameters that clients also send without a value; others without one name a part of S3.
const PARAMETERS: [&str; 17] = [
    "bucket-region",
    "continuation-token",
    "delimiter",
    "encoding-type",
    "expires",
    "fetch-owner",
    "key-marker",
    "list-type",
    "marker",
    "max-buckets",
    "max-keys",
    "partnumber",
    "prefix",
    "start-after",
    "upload-id-marker",
    "version-id-marker",
    "versionid",
];

/// Lets in who signed, to what there is.
pub struct WhatThereIs;

#[async_trait::async_trait]
impl S3Access for WhatThereIs {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        if cx.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Sign the request with an access key."));
        }
        match unknown_part(cx.s3_op().name(), cx.uri().query().unwrap_or_default()) {
            Some(name) => Err(refusal(unsupported(format!("Drydock does not support ?{name} here.")))),
            None => refuse_unsupported(cx.headers()).map_err(refusal),
        }
    }
}

/// The part of S3 that a query names beside a plain operation.
fn unknown_part<'a>(operation: &str, query: &'a str) -> Option<&'a str> {
    if !PLAIN.contains(&operation) {
        return None;
    }
    let bare = query.split('&').filter_map(|pair| match pair.split_once('=') {
        None => Some(pair),
        Some((name, "")) => Some(name),
        Some(_) => None,
    });
    bare.filter(|name| !name.is_empty()).find(|name| {
        let name = name.to_ascii_lowercase();
        !PARAMETERS.contains(&name.as_str()) && !name.starts_with("x-") && !name.starts_with("response-")
    })
}

pub fn unsupported(text: impl Into<String>) -> Error {
    Error::new(drydock_wire::ErrorCode::NotImplemented, text)
}

/// What would have to be kept otherwise than it is.
fn refuse_unsupported(headers: &hyper::HeaderMap) -> Result<()> {
    const UNSUPPORTED: [&str; 16] = [
        // who names the account that must own the bucket would be told nothing if it is another's
        "x-amz-expected-bucket-owner",
        "x-amz-source-expected-bucket-owner",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-copy-source-server-side-encryption-customer-algorithm",
        "x-amz-object-lock-mode",
        "x-amz-object-lock-legal-hold",
        "x-amz-object-lock-retain-until-date",
        "x-amz-website-redirect-location",
        "x-amz-write-offset-bytes",
        "x-amz-grant-full-control",
        "x-amz-grant-read",
        "x-amz-grant-read-acp",
        "x-amz-grant-write",
        "x-amz-grant-write-acp",
    ];
    // what is as it is here; other lists of rights would have to be kept
    let acl = headers.get("x-amz-acl").map(|value| value.as_bytes());
    if acl.is_some_and(|acl| acl != b"private" && acl != b"bucket-owner-full-control") {
        let text =
            "Drydock keeps no access lists: a bucket's settings say who may. Send the request without x-amz-acl.";
        return Err(unsupported(text));
    }
    let class = headers.get("x-amz-storage-class").map(|value| value.as_bytes());
    if class.is_some_and(|class| class != b"STANDARD") {
        return Err(unsupported(
            "Drydock has one storage class, STANDARD; send the request without x-amz-storage-class.",
        ));
    }
    match UNSUPPORTED.into_iter().find(|name| headers.contains_key(*name)) {
        Some(name) => Err(unsupported(format!("Drydock does not support {name}; send the request without it."))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_value_is_a_part_of_s3_unless_it_is_a_parameter() {
        for (operation, query, part) in [
            ("DeleteObject", "annotation", Some("annotation")),
            ("DeleteObject", "acl=", Some("acl")),
            ("PutObject", "x-id=RenameObject&renameObject", Some("renameObject")),
            ("DeleteBucket", "metadataConfiguration", Some("metadataConfiguration")),
            ("ListObjects", "abac", Some("abac")),
            ("ListObjects", "delimiter=&prefix=&max-keys=1", None),
            ("ListObjectsV2", "list-type=2&continuation-token", None),
            ("GetObject", "versionId=&response-content-type=&X-Amz-Security-Token=", None),
            ("PutObject", "x-id=PutObject&anything=else&", None),
            ("GetObjectTagging", "tagging", None),
        ] {
            assert_eq!(unknown_part(operation, query), part, "{operation} {query}");
        }
    }
}
