-- zcbench store, version 4: priorities, and units that one worker does not get.
ALTER TABLE job ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;              -- higher ones are served first
ALTER TABLE work_unit ADD COLUMN not_worker TEXT NOT NULL DEFAULT '';        -- never leased to it
DROP INDEX work_unit_free;
CREATE INDEX work_unit_free ON work_unit (job, free_from_us, id, not_worker);
