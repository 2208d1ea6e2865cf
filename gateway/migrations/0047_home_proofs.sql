-- A box's own events are of more kinds from time to time. Which there are is said by what writes them, so that one more kind does
-- not build this table anew.
CREATE TABLE event_of_any_kind (
    agent       TEXT NOT NULL,
    lane        TEXT NOT NULL CHECK (lane IN ('alarm', 'reading')),
    epoch       TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    disposition TEXT NOT NULL CHECK (disposition IN ('stored', 'repeated', 'quarantined')),
    kind        TEXT NOT NULL,
    digest      BLOB,
    record      TEXT,
    content     BLOB,
    stored_ms   INTEGER NOT NULL,
    PRIMARY KEY (agent, lane, epoch, seq)
) WITHOUT ROWID;
INSERT INTO event_of_any_kind SELECT * FROM event;
DROP TABLE event;
ALTER TABLE event_of_any_kind RENAME TO event;
CREATE INDEX event_alarm_record ON event (record) WHERE lane = 'alarm' AND record IS NOT NULL;
CREATE INDEX event_alarm ON event (agent, stored_ms) WHERE lane = 'alarm';
CREATE INDEX event_own ON event (agent, stored_ms)
    WHERE kind IN ('began', 'refused', 'device_trouble', 'buffer_damaged', 'time_correction');

-- How far the silent tests of a box came. `first_ms`, `came_ms`: when its first and its latest were stored. `due_ms`: when it is
-- to be seen who would be told of a press; absent while nothing is to be done. `told`: so many, as the latest look found.
-- `tried`: so many of their ways failed since the latest came. `test`: the silent test of a way that it waits for. `stopped`:
-- where it stopped, as JSON. `proven_ms`: when one last came all the way.
CREATE TABLE home_proof (
    agent     TEXT PRIMARY KEY REFERENCES agent (id),
    first_ms  INTEGER NOT NULL,
    came_ms   INTEGER NOT NULL,
    due_ms    INTEGER,
    told      INTEGER,
    tried     INTEGER NOT NULL DEFAULT 0,
    test      TEXT,
    stopped   TEXT,
    proven_ms INTEGER
);
CREATE INDEX home_proof_due ON home_proof (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX home_proof_test ON home_proof (test) WHERE test IS NOT NULL;
