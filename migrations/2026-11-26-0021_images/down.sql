DROP TABLE image_tag_moves;
DROP TABLE image_tags;
DROP TABLE manifest_refs;
DROP TABLE manifests;
DROP TABLE repository_blobs;
DROP TABLE repositories;
