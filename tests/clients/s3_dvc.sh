#!/bin/sh
# dvc against the S3 face: push, pull, fetch, status -c, gc. Environment: S3_ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, DVC (the program),
# PYTHON (with botocore, which makes the bucket).
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME="$work" DVC_NO_ANALYTICS=1 AWS_DEFAULT_REGION=us-east-1 GIT_CONFIG_NOSYSTEM=1
bucket=t-dvc-$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
store() { "$PYTHON" -c "import botocore.session, os; s3 = botocore.session.get_session().create_client('s3', endpoint_url=os.environ['S3_ENDPOINT']); $1"; }
store "s3.create_bucket(Bucket='$bucket')"
git config --global user.email a@b.c
git config --global user.name a
git init -q repo
cd repo
"$DVC" init -q
"$DVC" remote add -q -d box "s3://$bucket/store"
"$DVC" remote modify -q box endpointurl "$S3_ENDPOINT"
mkdir -p data/images
head -c 30000000 /dev/urandom >data/large.bin
for i in $(seq 60); do echo "image $i" >"data/images/$i.txt"; done
"$DVC" add -q data
git add -A && git commit -qm one
"$DVC" status -c | grep -q "new:"
"$DVC" push -q
"$DVC" status -c | grep -q "in sync"
cp -r data ../kept
rm -rf .dvc/cache data
"$DVC" status -c | grep -qE "deleted:|missing:"
"$DVC" fetch -q
"$DVC" checkout -q
diff -r data ../kept
rm -rf .dvc/cache data
"$DVC" pull -q
diff -r data ../kept
echo "image 61" >data/images/61.txt
rm data/large.bin
"$DVC" add -q data
git add -A && git commit -qm two
"$DVC" push -q
count() { store "print(sum(len(p.get('Contents', [])) for p in s3.get_paginator('list_objects_v2').paginate(Bucket='$bucket')))"; }
before=$(count)
"$DVC" gc -q -w -c -f
after=$(count)
[ "$after" -lt "$before" ]
rm -rf .dvc/cache data
"$DVC" pull -q
[ "$(ls data/images | wc -l)" = 61 ]
"$DVC" status -c | grep -q "in sync"
echo "dvc: push, pull, fetch, status -c, gc ($before objects, then $after)"
