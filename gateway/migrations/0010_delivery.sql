-- Where a member of the team is reached, over each channel. `proven_ms`: when its peer last took something for this address.
CREATE TABLE contact (
    member    TEXT NOT NULL,
    channel   TEXT NOT NULL,
    address   TEXT NOT NULL,
    lang      TEXT NOT NULL,
    set_by    TEXT NOT NULL,
    set_ms    INTEGER NOT NULL,
    proven_ms INTEGER,
    PRIMARY KEY (member, channel)
);

-- Who is told of every alert from a severity on, as the configuration says: written at each start.
CREATE TABLE always_told (
    name     TEXT PRIMARY KEY,
    channel  TEXT NOT NULL,
    address  TEXT NOT NULL,
    lang     TEXT NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('low', 'medium', 'high')),
    about    TEXT NOT NULL CHECK (about IN ('all', 'equipment'))
);

-- One notification, written with what gave rise to it. `key` makes it one, however often it is asked for. To a member, whose
-- address is looked up at each attempt, or to an address. `attempts` have begun; until `lease_until_ms` the latest may still
-- be under way. `withdrawn_ms` may stand beside 'delivered': it was on its way already.
CREATE TABLE outbox (
    id             TEXT PRIMARY KEY,
    key            TEXT NOT NULL UNIQUE,
    alert          TEXT NOT NULL REFERENCES alert (id),
    channel        TEXT NOT NULL,
    member         TEXT,
    address        TEXT,
    lang           TEXT NOT NULL,
    urgency        TEXT NOT NULL CHECK (urgency IN ('low', 'medium', 'high')),
    since_ms       INTEGER NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'given_up', 'withdrawn')),
    attempts       INTEGER NOT NULL DEFAULT 0,
    due_ms         INTEGER NOT NULL,
    lease_until_ms INTEGER,
    withdrawn_ms   INTEGER,
    ended_ms       INTEGER,
    CHECK ((member IS NULL) <> (address IS NULL))
);
CREATE INDEX outbox_waiting ON outbox (channel, due_ms) WHERE state = 'waiting';
CREATE INDEX outbox_alert ON outbox (alert);

-- One attempt, written before it is made. Without an end, the gateway that made it died: nobody knows whether it arrived.
-- `said` is the proof, or why not.
CREATE TABLE delivery_attempt (
    delivery TEXT NOT NULL REFERENCES outbox (id),
    attempt  INTEGER NOT NULL,
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    outcome  TEXT CHECK (outcome IN ('delivered', 'try_again', 'give_up')),
    said     TEXT,
    PRIMARY KEY (delivery, attempt)
);
