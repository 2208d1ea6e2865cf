-- A way to people: a channel and an address there that somebody has, or (address '') a channel that is proven as a whole.
-- `asked_ms` is when a silent test of it was last asked for, `proven_ms` when its peer last took something, `failing_ms` since
-- when its silent tests fail, and `because` why.
CREATE TABLE way (
    id         TEXT PRIMARY KEY,
    channel    TEXT NOT NULL,
    address    TEXT NOT NULL,
    since_ms   INTEGER NOT NULL,
    asked_ms   INTEGER,
    proven_ms  INTEGER,
    failing_ms INTEGER,
    because    TEXT,
    UNIQUE (channel, address)
);

-- What made a silent test: the gateway's own pulse, or the schedule of ways to people.
ALTER TABLE silent_test ADD COLUMN origin TEXT NOT NULL DEFAULT 'pulse';
