-- Alarm units of other makes, which report over SCAIP. `id` is the number by which their messages name them (cid). `person`:
-- whose alarm an alarm is; none: her home is known alone. `silent_ms`: since when the case of its silence is open.
CREATE TABLE alarm_unit (
    id            TEXT PRIMARY KEY,
    home          TEXT NOT NULL REFERENCES home (id),
    person        TEXT REFERENCES person (id),
    heartbeat_s   INTEGER NOT NULL,
    created_ms    INTEGER NOT NULL,
    last_heard_ms INTEGER,
    silent_ms     INTEGER,
    ended_ms      INTEGER
);

-- A unit's messages, but for its signs of life, so that one which is sent again opens no second case. `seen_ms`: when it last
-- came. `digest` is that of what it says: a unit that counts anew uses a reference for something else.
CREATE TABLE alarm_unit_message (
    unit      TEXT NOT NULL REFERENCES alarm_unit (id),
    reference TEXT NOT NULL,
    digest    BLOB NOT NULL,
    seen_ms   INTEGER NOT NULL,
    PRIMARY KEY (unit, reference)
);
