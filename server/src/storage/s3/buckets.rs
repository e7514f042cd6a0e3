//! S3's operations on buckets and their settings.

use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        AbortIncompleteMultipartUpload, BucketVersioningStatus, CORSRule, CreateBucketInput, CreateBucketOutput,
        DeleteBucketCorsInput, DeleteBucketCorsOutput, DeleteBucketInput, DeleteBucketLifecycleInput,
        DeleteBucketLifecycleOutput, DeleteBucketOutput, DeleteBucketTaggingInput, DeleteBucketTaggingOutput,
        ExpirationStatus, GetBucketAclInput, GetBucketAclOutput, GetBucketCorsInput, GetBucketCorsOutput,
        GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput, GetBucketLocationInput,
        GetBucketLocationOutput, GetBucketTaggingInput, GetBucketTaggingOutput, GetBucketVersioningInput,
        GetBucketVersioningOutput, GetObjectAclInput, GetObjectAclOutput, Grant, Grantee, HeadBucketInput,
        HeadBucketOutput, LifecycleExpiration, LifecycleRule as S3Rule, LifecycleRuleFilter,
        NoncurrentVersionExpiration, Permission, PutBucketCorsInput, PutBucketCorsOutput,
        PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput, PutBucketTaggingInput,
        PutBucketTaggingOutput, PutBucketVersioningInput, PutBucketVersioningOutput, Type,
    },
};

use drydock_wire::storage::{BucketAccess, CorsRule, LifecycleRule, Versioning};

use super::{
    Buckets,
    absent::unsupported,
    answers::{self, refusal},
};
use crate::{
    error::{Error, Result},
    storage::{
        access::{Entered, Right},
        buckets::{self, Settings},
        reading,
        refusals::{self, S3Word},
    },
};

/// What clients that ask for a region are told; any is taken.
const REGION: &str = "us-east-1";

impl Buckets {
    async fn enter<T>(&self, request: &S3Request<T>, name: &str, right: Right) -> S3Result<Entered> {
        let caller = self.caller(&request.credentials)?;
        buckets::get(&self.app, &caller, name, right).await.map_err(refusal)
    }

    async fn change<T>(&self, request: &S3Request<T>, name: &str, settings: Settings) -> S3Result<()> {
        let caller = self.caller(&request.credentials)?;
        buckets::change(&self.app, &caller, name, settings).await.map(drop).map_err(refusal)
    }

    pub(super) async fn make(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        if input.object_lock_enabled_for_bucket == Some(true) {
            return Err(refusal(unsupported("Drydock has no object lock; make the bucket without it.")));
        }
        // of the project; that it is private to some is said in the dashboard
        let made = buckets::create(&self.app, &caller, &input.bucket, BucketAccess::Project, false).await;
        let made = made.map_err(refusal)?;
        Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{}", made.name)) }))
    }

    pub(super) async fn remove(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        let caller = self.caller(&request.credentials)?;
        buckets::delete(&self.app, &caller, &request.input.bucket, false).await.map_err(refusal)?;
        Ok(S3Response::with_status(DeleteBucketOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    pub(super) async fn is_there(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.enter(&request, &request.input.bucket, Right::Enter).await?;
        Ok(S3Response::new(HeadBucketOutput { bucket_region: Some(REGION.to_owned()), ..Default::default() }))
    }

    pub(super) async fn location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.enter(&request, &request.input.bucket, Right::Enter).await?;
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint: None }))
    }

    pub(super) async fn versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let bucket = self.enter(&request, &request.input.bucket, Right::Enter).await?;
        let status = match bucket.versioning() {
            Versioning::Off => None,
            Versioning::On => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED)),
            Versioning::Suspended => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::SUSPENDED)),
        };
        Ok(S3Response::new(GetBucketVersioningOutput { status, mfa_delete: None }))
    }

    pub(super) async fn set_versioning(
        &self,
        request: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let wanted = &request.input.versioning_configuration;
        if wanted.mfa_delete.as_ref().is_some_and(|mfa| mfa.as_str() == "Enabled") {
            return Err(refusal(unsupported("Drydock has no MFA delete.")));
        }
        let versioning = match wanted.status.as_ref().map(BucketVersioningStatus::as_str) {
            Some(BucketVersioningStatus::ENABLED) => Versioning::On,
            Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
            _ => {
                let text = "The versioning configuration names Enabled or Suspended.";
                return Err(refusal(
                    Error::invalid(text).with_source(S3Word("IllegalVersioningConfigurationException")),
                ));
            }
        };
        self.change(&request, &request.input.bucket, Settings { versioning: Some(versioning), ..Settings::default() })
            .await?;
        Ok(S3Response::new(PutBucketVersioningOutput::default()))
    }

    pub(super) async fn lifecycle(
        &self,
        request: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
        let bucket = self.enter(&request, &request.input.bucket, Right::Enter).await?;
        let rules = bucket.lifecycle();
        if rules.is_empty() {
            return Err(refusal(refusals::not_set("NoSuchLifecycleConfiguration", "lifecycle configuration")));
        }
        let rules = rules.into_iter().map(said_rule).collect();
        Ok(S3Response::new(GetBucketLifecycleConfigurationOutput { rules: Some(rules), ..Default::default() }))
    }

    pub(super) async fn set_lifecycle(
        &self,
        request: S3Request<PutBucketLifecycleConfigurationInput>,
    ) -> S3Result<S3Response<PutBucketLifecycleConfigurationOutput>> {
        let rules =
            request.input.lifecycle_configuration.as_ref().map(|wanted| wanted.rules.clone()).unwrap_or_default();
        if rules.is_empty() {
            let text = "A lifecycle configuration has at least one rule; to have none, delete it.";
            return Err(refusal(Error::invalid(text).with_source(S3Word("MalformedXML"))));
        }
        let rules = rules.into_iter().enumerate().map(|(at, rule)| rule_of(at, rule)).collect::<Result<Vec<_>>>();
        let lifecycle = Some(rules.map_err(refusal)?);
        self.change(&request, &request.input.bucket, Settings { lifecycle, ..Settings::default() }).await?;
        Ok(S3Response::new(PutBucketLifecycleConfigurationOutput::default()))
    }

    pub(super) async fn drop_lifecycle(
        &self,
        request: S3Request<DeleteBucketLifecycleInput>,
    ) -> S3Result<S3Response<DeleteBucketLifecycleOutput>> {
        let settings = Settings { lifecycle: Some(vec![]), ..Settings::default() };
        self.change(&request, &request.input.bucket, settings).await?;
        Ok(S3Response::with_status(DeleteBucketLifecycleOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    pub(super) async fn cors(
        &self,
        request: S3Request<GetBucketCorsInput>,
    ) -> S3Result<S3Response<GetBucketCorsOutput>> {
        let bucket = self.enter(&request, &request.input.bucket, Right::Enter).await?;
        let rules = bucket.cors();
        if rules.is_empty() {
            return Err(refusal(refusals::not_set("NoSuchCORSConfiguration", "CORS configuration")));
        }
        let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
        let rules = rules.into_iter().map(|rule| CORSRule {
            allowed_headers: some(rule.allowed_headers),
            allowed_methods: rule.allowed_methods,
            allowed_origins: rule.allowed_origins,
            expose_headers: some(rule.expose_headers),
            id: None,
            max_age_seconds: rule.max_age_s.and_then(|age| i32::try_from(age).ok()),
        });
        Ok(S3Response::new(GetBucketCorsOutput { cors_rules: Some(rules.collect()) }))
    }

    pub(super) async fn set_cors(
        &self,
        request: S3Request<PutBucketCorsInput>,
    ) -> S3Result<S3Response<PutBucketCorsOutput>> {
        let rules = request.input.cors_configuration.cors_rules.iter().cloned().map(|rule| CorsRule {
            allowed_origins: rule.allowed_origins,
            allowed_methods: rule.allowed_methods,
            allowed_headers: rule.allowed_headers.unwrap_or_default(),
            expose_headers: rule.expose_headers.unwrap_or_default(),
            max_age_s: rule.max_age_seconds.and_then(|age| u32::try_from(age).ok()),
        });
        let cors = Some(rules.collect());
        self.change(&request, &request.input.bucket, Settings { cors, ..Settings::default() }).await?;
        Ok(S3Response::new(PutBucketCorsOutput::default()))
    }

    pub(super) async fn drop_cors(
        &self,
        request: S3Request<DeleteBucketCorsInput>,
    ) -> S3Result<S3Response<DeleteBucketCorsOutput>> {
        let settings = Settings { cors: Some(vec![]), ..Settings::default() };
        self.change(&request, &request.input.bucket, settings).await?;
        Ok(S3Response::with_status(DeleteBucketCorsOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    pub(super) async fn bucket_tags(
        &self,
        request: S3Request<GetBucketTaggingInput>,
    ) -> S3Result<S3Response<GetBucketTaggingOutput>> {
        let tags = self.enter(&request, &request.input.bucket, Right::Enter).await?.tags();
        if tags.is_empty() {
            return Err(refusal(refusals::not_set("NoSuchTagSet", "tags")));
        }
        Ok(S3Response::new(GetBucketTaggingOutput { tag_set: answers::tag_set(tags) }))
    }

    pub(super) async fn set_bucket_tags(
        &self,
        request: S3Request<PutBucketTaggingInput>,
    ) -> S3Result<S3Response<PutBucketTaggingOutput>> {
        let tags = Some(answers::tags_of(request.input.tagging.tag_set.clone()));
        self.change(&request, &request.input.bucket, Settings { tags, ..Settings::default() }).await?;
        Ok(S3Response::with_status(PutBucketTaggingOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    pub(super) async fn drop_bucket_tags(
        &self,
        request: S3Request<DeleteBucketTaggingInput>,
    ) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
        let settings = Settings { tags: Some(vec![]), ..Settings::default() };
        self.change(&request, &request.input.bucket, settings).await?;
        Ok(S3Response::with_status(DeleteBucketTaggingOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    /// There are no access lists; tools that ask are told that the owner has all rights.
    pub(super) async fn acl(&self, request: S3Request<GetBucketAclInput>) -> S3Result<S3Response<GetBucketAclOutput>> {
        let bucket = self.enter(&request, &request.input.bucket, Right::Enter).await?;
        let (owner, grants) = (Some(answers::owner(&bucket.owner)), Some(vec![full_control(&bucket.owner)]));
        Ok(S3Response::new(GetBucketAclOutput { grants, owner }))
    }

    pub(super) async fn object_acl(
        &self,
        request: S3Request<GetObjectAclInput>,
    ) -> S3Result<S3Response<GetObjectAclOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let version = answers::version(input.version_id.as_deref()).map_err(refusal)?;
        let looked =
            reading::look(&self.app, &caller, &input.bucket, &input.key, version, false).await.map_err(refusal)?;
        let bucket = looked.object().map_err(refusal)?.bucket;
        let (owner, grants) = (Some(answers::owner(&bucket.owner)), Some(vec![full_control(&bucket.owner)]));
        Ok(S3Response::new(GetObjectAclOutput { grants, owner, request_charged: None }))
    }
}

fn full_control(owner: &str) -> Grant {
    let grantee = Grantee {
        display_name: Some(owner.to_owned()),
        email_address: None,
        id: Some(owner.to_owned()),
        type_: Type::from_static(Type::CANONICAL_USER),
        uri: None,
    };
    Grant { grantee: Some(grantee), permission: Some(Permission::from_static(Permission::FULL_CONTROL)) }
}

fn said_rule(rule: LifecycleRule) -> S3Rule {
    let days = |days: Option<u32>| days.and_then(|days| i32::try_from(days).ok());
    let expires = rule.expire_days.is_some() || rule.remove_lone_markers;
    S3Rule {
        abort_incomplete_multipart_upload: rule
            .abort_uploads_days
            .map(|_| AbortIncompleteMultipartUpload { days_after_initiation: days(rule.abort_uploads_days) }),
        expiration: expires.then(|| LifecycleExpiration {
            date: None,
            days: days(rule.expire_days),
            expired_object_delete_marker: rule.remove_lone_markers.then_some(true),
        }),
        filter: Some(LifecycleRuleFilter { prefix: Some(rule.prefix), ..Default::default() }),
        id: Some(rule.id),
        noncurrent_version_expiration: rule.noncurrent_days.map(|_| NoncurrentVersionExpiration {
            newer_noncurrent_versions: days(rule.keep_noncurrent),
            noncurrent_days: days(rule.noncurrent_days),
        }),
        noncurrent_version_transitions: None,
        prefix: None,
        status: ExpirationStatus::from_static(if rule.enabled {
            ExpirationStatus::ENABLED
        } else {
            ExpirationStatus::DISABLED
        }),
        transitions: None,
    }
}

/// What of S3's rules we carry out; the rest is refused rather than kept and not done.
fn rule_of(at: usize, rule: S3Rule) -> Result<LifecycleRule> {
    if rule.transitions.is_some_and(|list| !list.is_empty())
        || rule.noncurrent_version_transitions.is_some_and(|list| !list.is_empty())
    {
        return Err(unsupported("Drydock has one storage class: a lifecycle rule cannot move objects to another."));
    }
    let filter = rule.filter.unwrap_or_default();
    let by_size = filter.object_size_greater_than.is_some() || filter.object_size_less_than.is_some();
    if by_size || filter.tag.is_some() || filter.and.is_some() {
        return Err(unsupported("A lifecycle rule's filter names a prefix; sizes and tags are not supported."));
    }
    let expiration = rule.expiration.unwrap_or_default();
    if expiration.date.is_some() {
        return Err(unsupported("A lifecycle rule counts days; a date is not supported."));
    }
    let days = |days: Option<i32>| -> Result<Option<u32>> {
        days.map(|days| {
            u32::try_from(days).map_err(|_| refusals::invalid_argument("Days in a lifecycle rule are positive."))
        })
        .transpose()
    };
    let noncurrent = rule.noncurrent_version_expiration.unwrap_or_default();
    Ok(LifecycleRule {
        id: rule.id.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("rule-{}", at + 1)),
        enabled: rule.status.as_str() == ExpirationStatus::ENABLED,
        prefix: filter.prefix.or(rule.prefix).unwrap_or_default(),
        expire_days: days(expiration.days)?,
        noncurrent_days: days(noncurrent.noncurrent_days)?,
        keep_noncurrent: days(noncurrent.newer_noncurrent_versions)?,
        abort_uploads_days: days(rule.abort_incomplete_multipart_upload.and_then(|abort| abort.days_after_initiation))?,
        remove_lone_markers: expiration.expired_object_delete_marker == Some(true),
    })
}
