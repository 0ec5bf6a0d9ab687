-- zcbench store, version 2: generated probe batches beside those of data sets.

CREATE TABLE probe_batch_of_input (
  digest TEXT NOT NULL UNIQUE,        -- SHA-256 of content
  task TEXT NOT NULL,
  height INTEGER NOT NULL,
  width INTEGER NOT NULL,
  images INTEGER NOT NULL,
  seed INTEGER NOT NULL,
  input TEXT NOT NULL,                -- what generated it: 'noise'; '': from a data set
  bytes INTEGER NOT NULL,
  created_us INTEGER NOT NULL,
  content BLOB NOT NULL,
  UNIQUE (task, height, width, images, seed, input)
) STRICT;
INSERT INTO probe_batch_of_input (digest, task, height, width, images, seed, input, bytes, created_us, content)
  SELECT digest, task, height, width, images, seed, '', bytes, created_us, content FROM probe_batch;
DROP TABLE probe_batch;
ALTER TABLE probe_batch_of_input RENAME TO probe_batch;
