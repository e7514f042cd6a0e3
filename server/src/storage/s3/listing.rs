//! S3's listings: objects (both versions of the call), versions, buckets.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        Bucket, CommonPrefix, DeleteMarkerEntry, EncodingType, ListBucketsInput, ListBucketsOutput,
        ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectVersionsInput, ListObjectVersionsOutput,
        ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass,
        ObjectVersion, ObjectVersionStorageClass, Owner,
    },
};

use super::{
    Buckets,
    answers::{self, refusal},
    multipart,
};
use crate::{
    error::Result,
    percent,
    storage::{
        access::Entered,
        buckets, listing, refusals,
        store::{
            fold::{Page, Row, Wanted},
            list::{Listed, ListedVersion},
            uploads::AfterUpload,
        },
    },
};

const MOST_KEYS: i32 = 1000;

/// How an answer writes keys: as they are, or encoded so that XML can carry every one.
#[derive(Clone)]
pub struct Encoding(Option<EncodingType>);

impl Encoding {
    pub fn parse(wanted: Option<EncodingType>) -> Result<Self> {
        match wanted {
            Some(encoding) if encoding.as_str() != EncodingType::URL => {
                Err(refusals::invalid_argument("Invalid Encoding Method specified in Request: only url is known."))
            }
            other => Ok(Self(other)),
        }
    }

    pub fn key(&self, text: impl Into<String>) -> String {
        let text = text.into();
        if self.0.is_some() { percent::encoded(&text, "/") } else { text }
    }

    pub fn wanted(self) -> Option<EncodingType> {
        self.0
    }

    pub fn prefixes(&self, prefixes: Vec<String>) -> Option<Vec<CommonPrefix>> {
        let encoded = prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(self.key(prefix)) });
        let all: Vec<_> = encoded.collect();
        (!all.is_empty()).then_some(all)
    }
}

pub fn limit(wanted: Option<i32>) -> Result<usize> {
    match wanted.unwrap_or(MOST_KEYS) {
        negative if negative < 0 => Err(refusals::invalid_argument("max-keys cannot be negative.")),
        limit => Ok(usize::try_from(limit.min(MOST_KEYS)).unwrap_or(0)),
    }
}

impl Buckets {
    pub(super) async fn list_v1(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let encoding = Encoding::parse(input.encoding_type).map_err(refusal)?;
        let limit = limit(input.max_keys).map_err(refusal)?;
        let wanted = wanted(input.prefix.clone(), input.delimiter.clone(), input.marker.clone(), limit);
        let (bucket, page) = listing::objects(&self.app, &caller, &input.bucket, wanted).await.map_err(refusal)?;
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(encoding.key(input.prefix.unwrap_or_default())),
            marker: Some(encoding.key(input.marker.unwrap_or_default())),
            max_keys: Some(limit as i32),
            is_truncated: Some(page.next.is_some()),
            next_marker: page.next.map(|next| encoding.key(next)),
            contents: contents(page.objects, &bucket, true, &encoding),
            common_prefixes: encoding.prefixes(page.prefixes),
            delimiter: input.delimiter.filter(|text| !text.is_empty()).map(|delimiter| encoding.key(delimiter)),
            encoding_type: encoding.wanted(),
            ..Default::default()
        }))
    }

    pub(super) async fn list_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let encoding = Encoding::parse(input.encoding_type).map_err(refusal)?;
        let limit = limit(input.max_keys).map_err(refusal)?;
        let after = match &input.continuation_token {
            Some(token) => Some(continued(token).map_err(refusal)?),
            None => input.start_after.clone(),
        };
        let wanted = wanted(input.prefix.clone(), input.delimiter.clone(), after, limit);
        let (bucket, page) = listing::objects(&self.app, &caller, &input.bucket, wanted).await.map_err(refusal)?;
        let count = page.objects.len() + page.prefixes.len();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encoding.key(input.prefix.unwrap_or_default())),
            max_keys: Some(limit as i32),
            key_count: i32::try_from(count).ok(),
            continuation_token: input.continuation_token,
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(|next| URL_SAFE_NO_PAD.encode(next)),
            contents: contents(page.objects, &bucket, input.fetch_owner == Some(true), &encoding),
            common_prefixes: encoding.prefixes(page.prefixes),
            delimiter: input.delimiter.filter(|text| !text.is_empty()).map(|delimiter| encoding.key(delimiter)),
            start_after: input.start_after.map(|after| encoding.key(after)),
            encoding_type: encoding.wanted(),
            ..Default::default()
        }))
    }

    pub(super) async fn list_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let encoding = Encoding::parse(input.encoding_type).map_err(refusal)?;
        let limit = limit(input.max_keys).map_err(refusal)?;
        let version = answers::version(input.version_id_marker.as_deref()).map_err(refusal)?;
        let after = match &input.key_marker {
            Some(key) if !key.is_empty() => Some((key.clone(), version)),
            _ if version.is_some() => {
                let text = "A version-id marker cannot be specified without a key marker.";
                return Err(refusal(refusals::invalid_argument(text)));
            }
            _ => None,
        };
        let wanted = wanted(input.prefix.clone(), input.delimiter.clone(), None, limit);
        let within = if version.is_some() { input.key_marker.clone() } else { None };
        let (bucket, page) =
            listing::versions(&self.app, &caller, &input.bucket, wanted, after).await.map_err(refusal)?;
        let owner = answers::owner(&bucket.owner);
        let next_version_id_marker = last_listed(&page).map(|row| row.version_id().to_string());
        let next_key_marker = page.next.as_ref().map(|next| encoding.key(next.clone()));
        let common_prefixes = encoding.prefixes(page.prefixes.clone());
        let latest = latest_of(&page, within.as_deref());
        let mut output = ListObjectVersionsOutput {
            common_prefixes,
            delimiter: input.delimiter.filter(|text| !text.is_empty()).map(|delimiter| encoding.key(delimiter)),
            is_truncated: Some(page.next.is_some()),
            key_marker: Some(encoding.key(input.key_marker.unwrap_or_default())),
            max_keys: Some(limit as i32),
            name: Some(input.bucket),
            next_key_marker,
            next_version_id_marker,
            prefix: Some(encoding.key(input.prefix.unwrap_or_default())),
            version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
            encoding_type: encoding.clone().wanted(),
            ..Default::default()
        };
        let (versions, markers) = told(page.objects, latest, &owner, &encoding);
        output.versions = (!versions.is_empty()).then_some(versions);
        output.delete_markers = (!markers.is_empty()).then_some(markers);
        Ok(S3Response::new(output))
    }

    pub(super) async fn open_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let encoding = Encoding::parse(input.encoding_type).map_err(refusal)?;
        let limit = limit(input.max_uploads).map_err(refusal)?;
        let marker = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let after = marker(&input.key_marker).map(|key| AfterUpload { key, place: marker(&input.upload_id_marker) });
        let wanted = wanted(input.prefix.clone(), input.delimiter.clone(), None, limit);
        let page = listing::uploads(&self.app, &caller, &input.bucket, wanted, after).await.map_err(refusal)?;
        let next_upload_id_marker = last_listed(&page).map(|row| row.upload_id.clone());
        let uploads: Vec<_> = page.objects.into_iter().map(|row| multipart::described(row, &encoding)).collect();
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            common_prefixes: encoding.prefixes(page.prefixes),
            delimiter: input.delimiter.filter(|text| !text.is_empty()).map(|delimiter| encoding.key(delimiter)),
            is_truncated: Some(page.next.is_some()),
            key_marker: Some(encoding.key(input.key_marker.unwrap_or_default())),
            max_uploads: Some(limit as i32),
            next_key_marker: page.next.map(|next| encoding.key(next)),
            next_upload_id_marker,
            prefix: Some(encoding.key(input.prefix.unwrap_or_default())),
            upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
            uploads: (!uploads.is_empty()).then_some(uploads),
            encoding_type: encoding.wanted(),
            ..Default::default()
        }))
    }

    pub(super) async fn list_buckets_of(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let caller = self.caller(&request.credentials)?;
        let input = request.input;
        let after = input.continuation_token.as_deref().map(continued).transpose().map_err(refusal)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let mut seen: Vec<_> = buckets::list(&self.app, &caller).await.map_err(refusal)?;
        seen.retain(|(row, _)| row.name.starts_with(&prefix) && after.as_ref().is_none_or(|after| row.name > *after));
        let most = input.max_buckets.and_then(|most| usize::try_from(most).ok()).unwrap_or(10_000).max(1);
        let is_more = seen.len() > most;
        seen.truncate(most);
        let next = if is_more { seen.last().map(|(row, _)| URL_SAFE_NO_PAD.encode(&row.name)) } else { None };
        let all = seen.into_iter().map(|(row, _)| Bucket {
            bucket_region: None,
            creation_date: Some(answers::timestamp(row.created_at)),
            name: Some(row.name),
        });
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(all.collect()),
            continuation_token: next,
            owner: Some(answers::owner(&caller.principal.person_id)),
            prefix: input.prefix,
        }))
    }
}

fn wanted(prefix: Option<String>, delimiter: Option<String>, after: Option<String>, limit: usize) -> Wanted {
    Wanted {
        prefix: prefix.unwrap_or_default(),
        delimiter: delimiter.unwrap_or_default(),
        after: after.filter(|after| !after.is_empty()),
        limit,
        only: vec![],
    }
}

/// What a token of ours says: the key or folder that was listed last.
fn continued(token: &str) -> Result<String> {
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| refusals::invalid_argument("The continuation token provided is incorrect."))
}

fn contents(rows: Vec<Listed>, bucket: &Entered, with_owner: bool, encoding: &Encoding) -> Option<Vec<Object>> {
    let owner = with_owner.then(|| answers::owner(&bucket.owner));
    let all: Vec<Object> = rows
        .into_iter()
        .map(|row| Object {
            e_tag: Some(answers::etag(&row.etag)),
            key: Some(encoding.key(row.key)),
            last_modified: Some(answers::timestamp(row.modified_at)),
            owner: owner.clone(),
            size: Some(row.size_bytes),
            storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
            ..Default::default()
        })
        .collect();
    (!all.is_empty()).then_some(all)
}

/// Versions and markers, each as S3 tells it.
fn told(
    rows: Vec<ListedVersion>,
    latest: Vec<bool>,
    owner: &Owner,
    encoding: &Encoding,
) -> (Vec<ObjectVersion>, Vec<DeleteMarkerEntry>) {
    let (mut versions, mut markers) = (vec![], vec![]);
    for (row, is_latest) in rows.into_iter().zip(latest) {
        let version_id = Some(row.version_id().to_string());
        let (last_modified, is_latest) = (Some(answers::timestamp(row.modified_at)), Some(is_latest));
        let (key, owner) = (Some(encoding.key(row.key)), Some(owner.clone()));
        if row.is_marker {
            markers.push(DeleteMarkerEntry { is_latest, key, last_modified, owner, version_id });
        } else {
            versions.push(ObjectVersion {
                e_tag: Some(answers::etag(&row.etag)),
                is_latest,
                key,
                last_modified,
                owner,
                size: Some(row.size_bytes),
                storage_class: Some(ObjectVersionStorageClass::from_static(ObjectVersionStorageClass::STANDARD)),
                version_id,
                ..Default::default()
            });
        }
    }
    (versions, markers)
}

/// Of a page after which there is more: its last row, unless a common prefix came after that. No key is a common prefix, too.
fn last_listed<T: Row>(page: &Page<T>) -> Option<&T> {
    page.objects.last().filter(|row| page.next.as_ref() == Some(row.key()))
}

/// Versions come newest first: the first one of a key is its latest, unless the listing began in the midst of that key.
fn latest_of(page: &Page<ListedVersion>, within: Option<&str>) -> Vec<bool> {
    let before = std::iter::once(within).chain(page.objects.iter().map(|row| Some(row.key.as_str())));
    page.objects.iter().zip(before).map(|(row, before)| before != Some(row.key.as_str())).collect()
}
