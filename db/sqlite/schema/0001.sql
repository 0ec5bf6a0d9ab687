-- zcbench store, version 1. Times are microseconds since 1970 UTC.

-- What the workers have announced.
CREATE TABLE known_space (
  name TEXT NOT NULL PRIMARY KEY,
  version TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE known_proxy (
  name TEXT NOT NULL PRIMARY KEY,
  summary TEXT NOT NULL,
  paper TEXT NOT NULL,
  version TEXT NOT NULL,              -- proxy.pass
  reads_weights INTEGER NOT NULL,
  reads_images INTEGER NOT NULL,
  reads_labels INTEGER NOT NULL,
  options TEXT NOT NULL,              -- JSON object: option -> default
  tolerance REAL NOT NULL,            -- relative
  larger_is_better INTEGER NOT NULL,
  variant INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Dictionaries.
CREATE TABLE architecture (
  id INTEGER PRIMARY KEY,
  space TEXT NOT NULL,
  text TEXT NOT NULL,                 -- canonical
  UNIQUE (space, text)
) STRICT;

CREATE TABLE execution (
  id INTEGER PRIMARY KEY,
  worker TEXT NOT NULL,
  host TEXT NOT NULL,
  device TEXT NOT NULL,
  numerics TEXT NOT NULL,
  zcbench_version TEXT NOT NULL,
  git_commit TEXT NOT NULL,
  UNIQUE (worker, host, device, numerics, zcbench_version, git_commit)
) STRICT;

-- One row a column of the benchmark; the counts are those of its scores by outcome.
CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  space TEXT NOT NULL,
  task TEXT NOT NULL,
  proxy TEXT NOT NULL,                -- canonical text
  version TEXT NOT NULL,              -- proxy.pass.space
  seed INTEGER CHECK (seed >= 0),     -- NULL: depends on no seed
  probe_batch TEXT NOT NULL,          -- SHA-256; '': depends on none
  numerics TEXT NOT NULL,
  finite INTEGER NOT NULL DEFAULT 0,
  not_finite INTEGER NOT NULL DEFAULT 0,
  undefined INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX series_key ON series (space, task, proxy, version, ifnull(seed, -1), probe_batch, numerics);

-- One column is one contiguous scan.
CREATE TABLE score (
  series INTEGER NOT NULL REFERENCES series (id),
  architecture INTEGER NOT NULL REFERENCES architecture (id),
  outcome INTEGER NOT NULL CHECK (outcome IN (1, 2, 3)),  -- finite, not finite, undefined
  value REAL CHECK ((outcome = 1) = (value IS NOT NULL)),
  seconds REAL NOT NULL,
  execution INTEGER NOT NULL REFERENCES execution (id),
  PRIMARY KEY (series, architecture)
) STRICT, WITHOUT ROWID;

-- Why a score is no number.
CREATE TABLE score_reason (
  series INTEGER NOT NULL,
  architecture INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (series, architecture),
  FOREIGN KEY (series, architecture) REFERENCES score (series, architecture)
) STRICT, WITHOUT ROWID;

-- Scores that differed from the one that is kept.
CREATE TABLE score_conflict (
  id INTEGER PRIMARY KEY,
  series INTEGER NOT NULL REFERENCES series (id),
  architecture INTEGER NOT NULL REFERENCES architecture (id),
  outcome INTEGER NOT NULL,
  value REAL,
  seconds REAL NOT NULL,
  execution INTEGER NOT NULL REFERENCES execution (id),
  recorded_us INTEGER NOT NULL
) STRICT;

CREATE TABLE probe_batch (
  digest TEXT NOT NULL UNIQUE,        -- SHA-256 of content
  task TEXT NOT NULL,
  height INTEGER NOT NULL,
  width INTEGER NOT NULL,
  images INTEGER NOT NULL,
  seed INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  created_us INTEGER NOT NULL,
  content BLOB NOT NULL,
  UNIQUE (task, height, width, images, seed)
) STRICT;

-- The queue. A job is a row with a cursor over its positions; units exist only for the next few, and until they are done.
CREATE TABLE job (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  digest TEXT NOT NULL UNIQUE,
  spec TEXT NOT NULL,
  state INTEGER NOT NULL,             -- 1 running, 2 done, 3 done with failures, 4 cancelled
  created_us INTEGER NOT NULL,
  finished_us INTEGER,
  total INTEGER NOT NULL,
  cursor INTEGER NOT NULL,
  done INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  reused INTEGER NOT NULL
) STRICT;
CREATE INDEX job_running ON job (id) WHERE state = 1;

CREATE TABLE job_architecture (
  job INTEGER NOT NULL REFERENCES job (id),
  position INTEGER NOT NULL,
  architecture INTEGER NOT NULL REFERENCES architecture (id),
  PRIMARY KEY (job, position)
) STRICT, WITHOUT ROWID;

-- free_from_us is 0 for a free unit and the lease's end for a leased one: an expired lease is free again by time passing.
-- Ids are never used again, since (id, attempt) names a lease.
CREATE TABLE work_unit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL REFERENCES job (id),
  first INTEGER NOT NULL,
  count INTEGER NOT NULL,
  open BLOB NOT NULL,                 -- bit i % 8 of byte i / 8: position first + i is neither complete nor failed for good
  remaining INTEGER NOT NULL,         -- bits set in open
  free_from_us INTEGER NOT NULL DEFAULT 0,
  worker TEXT NOT NULL DEFAULT '',
  attempt INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX work_unit_free ON work_unit (job, free_from_us, id);
CREATE INDEX work_unit_worker ON work_unit (worker) WHERE free_from_us > 0;

CREATE TABLE position_failure (
  job INTEGER NOT NULL REFERENCES job (id),
  position INTEGER NOT NULL,
  architecture TEXT NOT NULL,
  seed INTEGER NOT NULL,
  kind INTEGER NOT NULL,              -- 1 out of memory, 2 crash, 3 error
  message TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  for_good INTEGER NOT NULL,
  unit INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  worker TEXT NOT NULL,
  time_us INTEGER NOT NULL,
  PRIMARY KEY (job, position)
) STRICT, WITHOUT ROWID;

-- Requests answered within the last day, so that a repeated one gets the same answer.
CREATE TABLE answer (
  request TEXT NOT NULL PRIMARY KEY,
  answered_us INTEGER NOT NULL,
  dispositions BLOB NOT NULL,         -- one byte each
  lease_valid INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX answer_time ON answer (answered_us);

-- Ground truth, with the files it came from.
CREATE TABLE accuracy_series (
  id INTEGER PRIMARY KEY,
  space TEXT NOT NULL,
  task TEXT NOT NULL,
  metric TEXT NOT NULL,
  source TEXT NOT NULL,
  UNIQUE (space, task, metric, source)
) STRICT;

CREATE TABLE accuracy_file (
  id INTEGER PRIMARY KEY,
  series INTEGER NOT NULL REFERENCES accuracy_series (id),
  digest TEXT NOT NULL,               -- SHA-256 of the imported file
  licence TEXT NOT NULL,
  imported_us INTEGER NOT NULL,
  UNIQUE (series, digest)
) STRICT;

CREATE TABLE accuracy (
  series INTEGER NOT NULL REFERENCES accuracy_series (id),
  architecture INTEGER NOT NULL REFERENCES architecture (id),
  value REAL NOT NULL,
  file INTEGER NOT NULL REFERENCES accuracy_file (id),
  PRIMARY KEY (series, architecture)
) STRICT, WITHOUT ROWID;
