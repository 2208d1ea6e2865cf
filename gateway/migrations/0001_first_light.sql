-- First light. Times are milliseconds since 1970-01-01T00:00:00Z, in columns named *_ms.
-- Ids are random and say nothing about a person. Nothing here is deleted: assignments end, alerts close, epochs close.

CREATE TABLE home (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_ms INTEGER NOT NULL
);

-- The box in a home. It is enrolled once `serial` (of its certificate) is set, and cut off once `revoked_ms` is.
CREATE TABLE agent (
    id                     TEXT PRIMARY KEY,
    home                   TEXT NOT NULL REFERENCES home (id),
    created_ms             INTEGER NOT NULL,
    enrolled_ms            INTEGER,
    serial                 TEXT,
    certificate_expires_ms INTEGER,
    revoked_ms             INTEGER,
    connected              INTEGER NOT NULL DEFAULT 0,
    connected_changed_ms   INTEGER,
    last_heard_ms          INTEGER
);
CREATE INDEX agent_home ON agent (home);

-- What an agent's last heartbeat said.
CREATE TABLE heartbeat (
    agent                  TEXT PRIMARY KEY REFERENCES agent (id),
    at_ms                  INTEGER NOT NULL,
    clock_trust            TEXT NOT NULL CHECK (clock_trust IN ('unknown', 'estimated', 'synchronised')),
    clock_wall_ms          INTEGER,
    heard_ms               INTEGER,           -- when an advertisement was last really heard
    heard                  INTEGER NOT NULL,  -- signals and presses heard since the program started
    refused                INTEGER NOT NULL,  -- of them, not taken
    panics                 INTEGER NOT NULL,
    disk_free              INTEGER,
    certificate_expires_ms INTEGER,
    version                TEXT NOT NULL
);

-- A device as the last heartbeat of an agent knew it.
CREATE TABLE device_state (
    agent    TEXT NOT NULL REFERENCES agent (id),
    device   TEXT NOT NULL,
    at_ms    INTEGER NOT NULL,
    battery  INTEGER,
    heard_ms INTEGER,
    PRIMARY KEY (agent, device)
);

-- `lookup` is the first 4 characters of the secret; the whole secret is kept as a hash only.
CREATE TABLE enrolment_code (
    lookup      TEXT PRIMARY KEY,
    secret_hash BLOB NOT NULL,
    agent       TEXT NOT NULL REFERENCES agent (id),
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL,
    tries       INTEGER NOT NULL DEFAULT 0,
    used_ms     INTEGER
);
CREATE INDEX enrolment_code_agent ON enrolment_code (agent);

CREATE TABLE person (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    home       TEXT NOT NULL REFERENCES home (id),
    created_ms INTEGER NOT NULL
);
CREATE INDEX person_home ON person (home);

-- `id` is the address (or model/serial) as devices are written on the wire.
CREATE TABLE device (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL,
    home       TEXT NOT NULL REFERENCES home (id),
    created_ms INTEGER NOT NULL
);
CREATE INDEX device_home ON device (home);

-- Whose a device's readings are: of all its users, or of one slot, from `from_ms` until before `until_ms`.
CREATE TABLE assignment (
    id       TEXT PRIMARY KEY,
    device   TEXT NOT NULL REFERENCES device (id),
    slot     INTEGER,
    person   TEXT NOT NULL REFERENCES person (id),
    from_ms  INTEGER NOT NULL,
    until_ms INTEGER,
    CHECK (until_ms IS NULL OR until_ms > from_ms)
);
CREATE INDEX assignment_device ON assignment (device);
CREATE INDEX assignment_person ON assignment (person);

-- What became of each number an agent gave out. `digest` is that of the event's content; it is absent where the body
-- around the event could not be read. `content` is kept for the agent's own events, which make no record.
CREATE TABLE event (
    agent       TEXT NOT NULL,
    lane        TEXT NOT NULL CHECK (lane IN ('alarm', 'reading')),
    epoch       TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    disposition TEXT NOT NULL CHECK (disposition IN ('stored', 'repeated', 'quarantined')),
    kind        TEXT NOT NULL
        CHECK (kind IN ('signal', 'alarm', 'began', 'refused', 'device_trouble', 'unreadable')),
    digest      BLOB,
    record      TEXT,
    content     BLOB,
    stored_ms   INTEGER NOT NULL,
    PRIMARY KEY (agent, lane, epoch, seq)
) WITHOUT ROWID;

-- The books of one lane in one epoch. `through`: up to here every number has a row above or is booked as lost.
-- `last_heard`: the highest number the agent ever spoke of. `receipted_through`, `oldest_kept`, `oldest_waiting_ms`: as its last
-- heartbeat said. `word_…`: the agent's clock at its newest word. `forked`: from here on other content came.
-- Closed when the agent began another epoch; `taken_again` is then its list of inclusive ranges.
CREATE TABLE cursor (
    agent             TEXT NOT NULL REFERENCES agent (id),
    lane              TEXT NOT NULL CHECK (lane IN ('alarm', 'reading')),
    epoch             TEXT NOT NULL,
    opened_ms         INTEGER NOT NULL,
    through           INTEGER NOT NULL,
    last_heard        INTEGER NOT NULL,
    receipted_through INTEGER NOT NULL DEFAULT 0,
    oldest_kept       INTEGER NOT NULL DEFAULT 1,
    oldest_waiting_ms INTEGER,
    word_boot         BLOB,
    word_since_boot_ms INTEGER,
    forked            INTEGER,
    closed_ms         INTEGER,
    last_taken        INTEGER,
    taken_again       TEXT,
    moved             INTEGER NOT NULL DEFAULT 0,
    lost              INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (agent, lane, epoch)
) WITHOUT ROWID;

-- One reading or one alarm. `identity` is the digest that made it one. `person` is absent in the unassigned queue.
-- `measured_by`: whose clock `measured_ms` is from: the device's, or the agent's at reception.
CREATE TABLE record (
    id                TEXT PRIMARY KEY,
    kind              TEXT NOT NULL CHECK (kind IN ('signal', 'alarm')),
    identity          BLOB NOT NULL,
    identity_class    TEXT NOT NULL CHECK (identity_class IN ('device_time', 'counter', 'number')),
    device            TEXT NOT NULL,
    slot              INTEGER,
    characteristic    INTEGER NOT NULL,
    raw               BLOB NOT NULL,
    dialect           TEXT NOT NULL,
    marks             TEXT,               -- what the device says about its measurement: a JSON list
    unreadable        TEXT,               -- why the payload means nothing to us, where it does not
    device_time       TEXT,
    counter           INTEGER,
    span_ms           INTEGER,
    button            INTEGER,            -- of an alarm
    authentic         INTEGER,            -- of an alarm
    counter_went_back INTEGER,            -- of an alarm
    measured_ms       INTEGER,
    measured_by       TEXT CHECK (measured_by IN ('device', 'reception')),
    taken_boot        BLOB NOT NULL,
    taken_since_boot_ms INTEGER NOT NULL,
    taken_wall_ms     INTEGER,
    taken_trust       TEXT NOT NULL CHECK (taken_trust IN ('unknown', 'estimated', 'synchronised')),
    agent             TEXT NOT NULL REFERENCES agent (id),
    home              TEXT NOT NULL REFERENCES home (id),
    stored_ms         INTEGER NOT NULL,
    person            TEXT REFERENCES person (id),
    possibly_same_as  TEXT REFERENCES record (id),
    taken_again       INTEGER NOT NULL DEFAULT 0 -- it came with the number under which it was first taken
) WITHOUT ROWID;
-- A record with a device time is found by that, and one that only its number identifies by its number, unless it was
-- taken again under another: only the rest is looked for by a digest, whose index costs a page of its own for each row.
CREATE INDEX record_identity ON record (identity) WHERE identity_class = 'counter' OR taken_again;
CREATE INDEX record_device_time ON record (device, characteristic, device_time) WHERE device_time IS NOT NULL;
CREATE INDEX record_person ON record (person, measured_ms);

-- One value of a record, as the device gave it. Where it gave none, `special` says what it said instead.
CREATE TABLE observation (
    record   TEXT NOT NULL REFERENCES record (id),
    place    INTEGER NOT NULL,
    quantity TEXT NOT NULL,
    mantissa INTEGER,
    exponent INTEGER,
    special  TEXT,
    unit     TEXT NOT NULL,
    usable   INTEGER NOT NULL,
    lowest_mantissa  INTEGER,
    lowest_exponent  INTEGER,
    highest_mantissa INTEGER,
    highest_exponent INTEGER,
    count    INTEGER,
    PRIMARY KEY (record, place)
) WITHOUT ROWID;

-- Bytes that could not be read or stored, under their numbers where those are known.
CREATE TABLE quarantine (
    id     TEXT PRIMARY KEY,
    agent  TEXT NOT NULL REFERENCES agent (id),
    lane   TEXT NOT NULL CHECK (lane IN ('alarm', 'reading', 'status')),
    epoch  TEXT NOT NULL DEFAULT '',
    first  INTEGER NOT NULL DEFAULT 0,
    last   INTEGER NOT NULL DEFAULT 0,
    why    TEXT NOT NULL CHECK (why IN ('unreadable', 'unstorable', 'forked', 'header')),
    digest BLOB NOT NULL,
    bytes  BLOB NOT NULL,
    at_ms  INTEGER NOT NULL,
    UNIQUE (agent, lane, epoch, first, digest)
);

-- Someone must act. `about` is what it is about (person:…, device:…, agent:…): at most one case that is not closed per
-- rule and matter. It rings anew whenever `rung_ms` is set; who claimed it has seen it since when `seen_ms` >= `rung_ms`.
CREATE TABLE alert (
    id         TEXT PRIMARY KEY,
    rule       TEXT NOT NULL,
    about      TEXT NOT NULL,
    severity   TEXT NOT NULL CHECK (severity IN ('low', 'medium', 'high')),
    confirmed  INTEGER NOT NULL,
    person     TEXT REFERENCES person (id),
    home       TEXT NOT NULL REFERENCES home (id),
    state      TEXT NOT NULL CHECK (state IN ('open', 'claimed', 'closed')),
    opened_ms  INTEGER NOT NULL,
    rung_ms    INTEGER NOT NULL,
    seen_ms    INTEGER,
    claimed_by TEXT,
    claimed_ms INTEGER,
    closed_by  TEXT,
    closed_ms  INTEGER,
    CHECK ((claimed_by IS NULL) = (claimed_ms IS NULL)),
    CHECK (state <> 'claimed' OR claimed_by IS NOT NULL),
    CHECK ((state = 'closed') = (closed_ms IS NOT NULL))
);
CREATE UNIQUE INDEX alert_one_case ON alert (rule, about) WHERE state <> 'closed';
CREATE INDEX alert_person ON alert (person, opened_ms);

-- An alert's story. `line` is JSON; its words are made in the reader's language.
CREATE TABLE alert_line (
    alert  TEXT NOT NULL REFERENCES alert (id),
    place  INTEGER NOT NULL,
    at_ms  INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    line   TEXT NOT NULL,
    record TEXT REFERENCES record (id),
    PRIMARY KEY (alert, place)
) WITHOUT ROWID;
CREATE INDEX alert_line_record ON alert_line (record) WHERE record IS NOT NULL;

-- A rule that noticed something and waits for more before it is sure: on the work list from the first moment.
CREATE TABLE waiting (
    rule     TEXT NOT NULL,
    person   TEXT NOT NULL REFERENCES person (id),
    home     TEXT NOT NULL REFERENCES home (id),
    since_ms INTEGER NOT NULL,
    due_ms   INTEGER NOT NULL,
    got      INTEGER NOT NULL,
    wanted   INTEGER NOT NULL,
    state    TEXT NOT NULL,
    PRIMARY KEY (rule, person)
) WITHOUT ROWID;

-- Every time a rule kept quiet, and why: countable.
CREATE TABLE suppression (
    id     INTEGER PRIMARY KEY,
    at_ms  INTEGER NOT NULL,
    rule   TEXT NOT NULL,
    about  TEXT NOT NULL,
    record TEXT,
    why    TEXT NOT NULL
);

-- What is to be done later, due by the database's clock.
CREATE TABLE timer (
    kind   TEXT NOT NULL,
    key    TEXT NOT NULL,
    due_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE INDEX timer_due ON timer (due_ms);

CREATE TABLE account (
    name          TEXT PRIMARY KEY,
    unit          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_ms    INTEGER NOT NULL
);

-- `token_hash` is the SHA-256 of the cookie. `expires_ms` moves on while it is used, at most 12 h from `created_ms`.
-- `console_session_seen` holds the people whose data this session has shown where it follows what happens.
CREATE TABLE console_session (
    token_hash BLOB PRIMARY KEY,
    account    TEXT NOT NULL REFERENCES account (name),
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    ended_ms   INTEGER
);
CREATE TABLE console_session_seen (
    token_hash BLOB NOT NULL REFERENCES console_session (token_hash),
    person     TEXT NOT NULL REFERENCES person (id),
    at_ms      INTEGER NOT NULL,
    PRIMARY KEY (token_hash, person)
) WITHOUT ROWID;

-- Every look at a person's data. `hash` covers the row and the hash before it, so that no row can change unnoticed.
CREATE TABLE access_log (
    n        INTEGER PRIMARY KEY,
    at_ms    INTEGER NOT NULL,
    who      TEXT NOT NULL,
    unit     TEXT NOT NULL,
    action   TEXT NOT NULL,
    person   TEXT,
    what     TEXT NOT NULL,
    why      TEXT NOT NULL,
    previous BLOB NOT NULL,
    hash     BLOB NOT NULL
);
CREATE INDEX access_log_person ON access_log (person, at_ms);
CREATE TRIGGER access_log_is_never_changed BEFORE UPDATE ON access_log
BEGIN SELECT RAISE(ABORT, 'the access log is never changed'); END;
CREATE TRIGGER access_log_is_never_shortened BEFORE DELETE ON access_log
BEGIN SELECT RAISE(ABORT, 'the access log is never shortened'); END;
