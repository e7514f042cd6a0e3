DROP TABLE objects;
DROP TABLE blobs;
