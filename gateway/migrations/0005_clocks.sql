-- When an agent's machine was booted, as far as is known, by whose clock: the agent's own after it was set (each time it
-- was set is a row, `since_boot_ms` says when), or ours (one row, the earliest that fits). A row that turns out wrong is
-- withdrawn, never deleted: what was dated by it is dated anew.
CREATE TABLE boot (
    agent         TEXT NOT NULL REFERENCES agent (id),
    boot          BLOB NOT NULL,
    by            TEXT NOT NULL CHECK (by IN ('agent', 'gateway')),
    since_boot_ms INTEGER NOT NULL,
    began_ms      INTEGER NOT NULL,
    trust         TEXT NOT NULL CHECK (trust IN ('unknown', 'estimated', 'synchronised')),
    source        TEXT,                -- who set the agent's clock: system, gateway
    before_ms     INTEGER,             -- what it would have shown otherwise
    trust_before  TEXT,
    learned_ms    INTEGER NOT NULL,
    withdrawn_ms  INTEGER,
    withdrawn_by  TEXT,
    PRIMARY KEY (agent, boot, by, since_boot_ms)
) WITHOUT ROWID;

-- What a device's clock showed when an agent looked at it, by the agent's clocks, and what it was set to.
CREATE TABLE device_clock (
    agent               TEXT NOT NULL REFERENCES agent (id),
    device              TEXT NOT NULL,
    taken_boot          BLOB NOT NULL,
    taken_since_boot_ms INTEGER NOT NULL,
    taken_wall_ms       INTEGER,
    taken_trust         TEXT NOT NULL CHECK (taken_trust IN ('unknown', 'estimated', 'synchronised')),
    session             INTEGER,
    shown               TEXT,
    set_to              TEXT,
    PRIMARY KEY (agent, device, taken_boot, taken_since_boot_ms)
) WITHOUT ROWID;

-- `session`: in which connection of its device a record came. `is_ambiguous`: the device's time is one that the clocks
-- of its zone show twice, or never. `measured_by` is wider than it was.
ALTER TABLE record ADD COLUMN session INTEGER;
ALTER TABLE record ADD COLUMN is_ambiguous INTEGER NOT NULL DEFAULT 0;
ALTER TABLE record RENAME COLUMN measured_by TO measured_by_of_first_light;
ALTER TABLE record ADD COLUMN measured_by TEXT CHECK (measured_by IN ('device', 'device_corrected', 'reception'));
UPDATE record SET measured_by = measured_by_of_first_light;
ALTER TABLE record DROP COLUMN measured_by_of_first_light;
-- To be dated anew: what no time server vouched for, and what came in one connection.
CREATE INDEX record_boot ON record (agent, taken_boot) WHERE taken_trust <> 'synchronised';
CREATE INDEX record_session ON record (device, session) WHERE session IS NOT NULL;
