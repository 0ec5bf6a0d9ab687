-- zcbench store, version 5: published scores beside computed ones.

ALTER TABLE series ADD COLUMN source TEXT NOT NULL DEFAULT '';  -- whose table it was imported from; '': computed here
DROP INDEX series_key;
CREATE UNIQUE INDEX series_key
  ON series (space, task, proxy, version, ifnull(seed, -1), probe_batch, numerics, source);

-- The execution of imported scores stands for the file that they came from.
CREATE TABLE score_file (
  execution INTEGER PRIMARY KEY REFERENCES execution (id),
  source TEXT NOT NULL,
  licence TEXT NOT NULL,
  digest TEXT NOT NULL,               -- SHA-256 of the imported file
  imported_us INTEGER NOT NULL
) STRICT;
