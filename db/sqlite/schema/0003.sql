-- zcbench store, version 3: proxies to be merged, under a name.

CREATE TABLE combination (
  name TEXT NOT NULL PRIMARY KEY,
  space TEXT NOT NULL,
  task TEXT NOT NULL,
  proxies TEXT NOT NULL,              -- canonical texts, joined by ', '
  merge TEXT NOT NULL,                -- rank_sum, log_rank, zscore_sum, raw_product
  details TEXT NOT NULL,              -- JSON of zcbench.v1.Combination
  created_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
