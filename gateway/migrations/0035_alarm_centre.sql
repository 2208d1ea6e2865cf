-- By which number an alarm receiving centre knows a person, or a home: what its operators see, and nothing else of her.
CREATE TABLE centre_number (
    person TEXT UNIQUE REFERENCES person (id),
    home   TEXT UNIQUE REFERENCES home (id),
    number TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_ms INTEGER NOT NULL,
    CHECK ((person IS NULL) <> (home IS NULL))
);

-- When each receiver of the centre last answered a sign of life, to any gateway. `place`: 1 or 2, as configured.
CREATE TABLE centre_receiver (
    place       INTEGER PRIMARY KEY,
    answered_ms INTEGER NOT NULL
);

-- Somebody may be told of alarms alone: what a person who asks for help gives rise to. The rows are written at each start.
DROP TABLE always_told;
CREATE TABLE always_told (
    name     TEXT PRIMARY KEY,
    channel  TEXT NOT NULL,
    address  TEXT NOT NULL,
    lang     TEXT NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('low', 'medium', 'high')),
    about    TEXT NOT NULL CHECK (about IN ('all', 'alarms', 'equipment'))
);
