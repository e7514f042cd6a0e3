//! Which of S3's operations there are. What is not named here answers NotImplemented; the manual lists it.

use s3s::{S3, S3Request, S3Response, S3Result, dto};

use super::Buckets;

/// One line for each operation: S3's name, the name of its messages, and ours.
macro_rules! operations {
    ($($operation:ident $input:ident $output:ident => $ours:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Buckets {
            $(async fn $operation(&self, request: S3Request<dto::$input>) -> S3Result<S3Response<dto::$output>> {
                self.$ours(request).await
            })*
        }
    };
}

operations! {
    put_object PutObjectInput PutObjectOutput => put;
    get_object GetObjectInput GetObjectOutput => get;
    head_object HeadObjectInput HeadObjectOutput => head;
    copy_object CopyObjectInput CopyObjectOutput => copy;
    delete_object DeleteObjectInput DeleteObjectOutput => delete;
    delete_objects DeleteObjectsInput DeleteObjectsOutput => delete_many;
    get_object_attributes GetObjectAttributesInput GetObjectAttributesOutput => attributes;
    get_object_tagging GetObjectTaggingInput GetObjectTaggingOutput => tagging;
    put_object_tagging PutObjectTaggingInput PutObjectTaggingOutput => set_tagging;
    delete_object_tagging DeleteObjectTaggingInput DeleteObjectTaggingOutput => remove_tagging;
    list_objects ListObjectsInput ListObjectsOutput => list_v1;
    list_objects_v2 ListObjectsV2Input ListObjectsV2Output => list_v2;
    list_object_versions ListObjectVersionsInput ListObjectVersionsOutput => list_versions;
    list_buckets ListBucketsInput ListBucketsOutput => list_buckets_of;
    create_multipart_upload CreateMultipartUploadInput CreateMultipartUploadOutput => begin;
    upload_part UploadPartInput UploadPartOutput => put_part;
    upload_part_copy UploadPartCopyInput UploadPartCopyOutput => copy_part;
    complete_multipart_upload CompleteMultipartUploadInput CompleteMultipartUploadOutput => complete;
    abort_multipart_upload AbortMultipartUploadInput AbortMultipartUploadOutput => abort;
    list_parts ListPartsInput ListPartsOutput => parts;
    list_multipart_uploads ListMultipartUploadsInput ListMultipartUploadsOutput => open_uploads;
    create_bucket CreateBucketInput CreateBucketOutput => make;
    delete_bucket DeleteBucketInput DeleteBucketOutput => remove;
    head_bucket HeadBucketInput HeadBucketOutput => is_there;
    get_bucket_location GetBucketLocationInput GetBucketLocationOutput => location;
    get_bucket_versioning GetBucketVersioningInput GetBucketVersioningOutput => versioning;
    put_bucket_versioning PutBucketVersioningInput PutBucketVersioningOutput => set_versioning;
    get_bucket_lifecycle_configuration GetBucketLifecycleConfigurationInput GetBucketLifecycleConfigurationOutput => lifecycle;
    put_bucket_lifecycle_configuration PutBucketLifecycleConfigurationInput PutBucketLifecycleConfigurationOutput => set_lifecycle;
    delete_bucket_lifecycle DeleteBucketLifecycleInput DeleteBucketLifecycleOutput => drop_lifecycle;
    get_bucket_cors GetBucketCorsInput GetBucketCorsOutput => cors;
    put_bucket_cors PutBucketCorsInput PutBucketCorsOutput => set_cors;
    delete_bucket_cors DeleteBucketCorsInput DeleteBucketCorsOutput => drop_cors;
    get_bucket_tagging GetBucketTaggingInput GetBucketTaggingOutput => bucket_tags;
    put_bucket_tagging PutBucketTaggingInput PutBucketTaggingOutput => set_bucket_tags;
    delete_bucket_tagging DeleteBucketTaggingInput DeleteBucketTaggingOutput => drop_bucket_tags;
    get_bucket_acl GetBucketAclInput GetBucketAclOutput => acl;
    get_object_acl GetObjectAclInput GetObjectAclOutput => object_acl;
}
