-- When a gateway listened to the homes: one row for each time that it began to, brought up to date while it does. Time in
-- no row counts against no home.
CREATE TABLE listening (
    id       TEXT PRIMARY KEY,
    from_ms  INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
);
CREATE INDEX listening_until ON listening (until_ms);

-- Each silence of a box, from `heard_ms` (or its enrolment) on. `has_alarm`: somebody in its home has an alarm device.
-- `in_storm`: it is told of in the case that many share. `said_ms`: when its case last said so.
CREATE TABLE silence (
    agent      TEXT NOT NULL REFERENCES agent (id),
    heard_ms   INTEGER NOT NULL,
    noticed_ms INTEGER NOT NULL,
    has_alarm  INTEGER NOT NULL,
    in_storm   INTEGER NOT NULL,
    said_ms    INTEGER NOT NULL,
    over_ms    INTEGER,
    PRIMARY KEY (agent, noticed_ms)
);
CREATE UNIQUE INDEX silence_now ON silence (agent) WHERE over_ms IS NULL;
