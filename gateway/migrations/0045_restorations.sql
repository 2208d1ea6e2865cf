-- The store was put back from a backup. `made_ms`: when that was made. What boxes keep they send again; what is in no box and
-- was written between the two moments is not here. `set_aside`: where the store lies that this one took the place of.
CREATE TABLE restoration (
    id          TEXT PRIMARY KEY,
    made_ms     INTEGER NOT NULL,
    restored_ms INTEGER NOT NULL,
    restored_by TEXT NOT NULL,
    why         TEXT NOT NULL,
    set_aside   TEXT
);
