#!/bin/sh
# aws-cli and rclone through their whole lives. Environment: S3_ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS (the program).
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# grep without -q: it reads to the end, and no program is cut off while it writes
# over TLS rclone believes SSL_CERT_FILE, and takes no bundle of certificates from where aws-cli takes it
bundle=${AWS_CA_BUNDLE:-}
unset AWS_CA_BUNDLE
aws() { env ${bundle:+"AWS_CA_BUNDLE=$bundle"} "$AWS" "$@"; }
export HOME="$work" AWS_DEFAULT_REGION=us-east-1 AWS_ENDPOINT_URL="$S3_ENDPOINT" AWS_EC2_METADATA_DISABLED=true
bucket=t-cli-$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
mkdir -p tree/sub/deeper
head -c 20000000 /dev/urandom >tree/large.bin
echo one >tree/one.txt
echo two >"tree/sub/two words+ü.txt"
echo three >tree/sub/deeper/three.txt
# aws-cli sends a file again that is younger than its object, of which only the whole second is known
find tree -type f -exec touch -d "1 minute ago" {} +

aws s3 mb "s3://$bucket"
aws s3 sync --only-show-errors tree "s3://$bucket/tree"
aws s3 ls --recursive "s3://$bucket" | grep "tree/sub/deeper/three.txt" >/dev/null
aws s3 ls "s3://$bucket/tree/" | grep "PRE sub/" >/dev/null
aws s3 sync --only-show-errors "s3://$bucket/tree" back
diff -r tree back
[ -z "$(aws s3 sync tree "s3://$bucket/tree")" ]
aws s3 cp --only-show-errors "s3://$bucket/tree/large.bin" "s3://$bucket/copied.bin"
aws s3 mv --only-show-errors "s3://$bucket/copied.bin" "s3://$bucket/moved.bin"
aws s3 cp --only-show-errors "s3://$bucket/moved.bin" - | cmp - tree/large.bin
echo streamed | aws s3 cp --only-show-errors - "s3://$bucket/streamed"
[ "$(aws s3 cp "s3://$bucket/streamed" -)" = streamed ]
curl -fsS "$(aws s3 presign "s3://$bucket/streamed")" | grep streamed >/dev/null
aws s3api put-bucket-versioning --bucket "$bucket" --versioning-configuration Status=Enabled
aws s3api put-object --bucket "$bucket" --key v --body tree/one.txt >put.json
grep -q VersionId put.json
aws s3api list-object-versions --bucket "$bucket" --prefix v | grep '"IsLatest": true' >/dev/null
aws s3api get-object-attributes --bucket "$bucket" --key v --object-attributes ETag ObjectSize >/dev/null
aws s3api head-object --bucket "$bucket" --key absent 2>absent.txt && exit 1
grep -q 404 absent.txt
aws s3api put-bucket-versioning --bucket "$bucket" --versioning-configuration Status=Suspended
aws s3 rm --only-show-errors --recursive "s3://$bucket"
aws s3api list-object-versions --bucket "$bucket" --query '[Versions,DeleteMarkers][][].[Key,VersionId]' --output text |
    while IFS="$(printf '\t')" read -r key version; do aws s3api delete-object --bucket "$bucket" --key "$key" --version-id "$version" >/dev/null; done
aws s3 rb "s3://$bucket"
echo "aws-cli: its whole life"

cat >rclone.conf <<END
[box]
type = s3
provider = Other
access_key_id = $AWS_ACCESS_KEY_ID
secret_access_key = $AWS_SECRET_ACCESS_KEY
endpoint = $S3_ENDPOINT
region = us-east-1
END
rclone() { command rclone --config "$work/rclone.conf" --quiet "$@"; }
bucket=t-rclone-$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
rclone mkdir "box:$bucket"
rclone copy --s3-upload-cutoff 8M --s3-chunk-size 5M tree "box:$bucket/tree"
rclone check --download tree "box:$bucket/tree"
rclone check tree "box:$bucket/tree"
[ "$(rclone lsf "box:$bucket/tree" | sort | tr '\n' ' ')" = "large.bin one.txt sub/ " ]
[ "$(rclone cat "box:$bucket/tree/one.txt")" = one ]
[ "$(rclone cat --offset 100 --count 50 "box:$bucket/tree/large.bin" | wc -c)" = 50 ]
echo changed >tree/one.txt
rm -r tree/sub/deeper
rclone sync tree "box:$bucket/tree"
rclone check tree "box:$bucket/tree"
rclone moveto "box:$bucket/tree/one.txt" "box:$bucket/elsewhere.txt"
echo piped | rclone rcat "box:$bucket/piped"
[ "$(rclone cat "box:$bucket/piped")" = piped ]
rclone size "box:$bucket" | grep "Total objects: 4" >/dev/null
rclone purge "box:$bucket"
[ -z "$(rclone lsf box: | grep "$bucket" || true)" ]
echo "rclone: its whole life"
