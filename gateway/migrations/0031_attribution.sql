-- What a named person decided about readings that no assignment gives to anybody: whose they are, or nobody's. Nothing is
-- deleted: a decision can be taken back, and its readings wait again then. `person` is absent where they are nobody's.
CREATE TABLE attribution (
    id            TEXT PRIMARY KEY,
    home          TEXT NOT NULL REFERENCES home (id),
    device        TEXT NOT NULL,
    person        TEXT REFERENCES person (id),
    records       BIGINT NOT NULL,
    author        TEXT NOT NULL,
    reason        TEXT NOT NULL,
    at_ms         BIGINT NOT NULL,
    withdrawn_ms  BIGINT,
    withdrawn_by  TEXT,
    withdrawn_why TEXT
);
CREATE INDEX attribution_device ON attribution (home, device);
ALTER TABLE record ADD COLUMN attribution TEXT REFERENCES attribution (id);
CREATE INDEX record_attribution ON record (attribution) WHERE attribution IS NOT NULL;
