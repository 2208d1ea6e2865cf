-- How often homes are to make a silent test, as the configuration says: written at each start.
CREATE TABLE proof_interval (
    kind    TEXT PRIMARY KEY CHECK (kind IN ('with_alarm', 'others')),
    every_s INTEGER NOT NULL
);

-- The latest silent test of each box. `proven_ms`: when one last came through; `tested_ms`, `took_ms`, `told` and `failed` are
-- of the latest that came: how long it took, how many would have been told of a press, and where it stopped. `missed_ms`:
-- since when an alert says that the last is too old.
CREATE TABLE home_proof (
    agent     TEXT PRIMARY KEY REFERENCES agent (id),
    proven_ms INTEGER,
    tested_ms INTEGER NOT NULL,
    took_ms   INTEGER NOT NULL,
    told      INTEGER NOT NULL,
    failed    TEXT,
    missed_ms INTEGER
);
