-- One silent test: it goes the way of a press, and disturbs nobody. `gateway` is the run of a gateway that put it in its queue
-- of what arrives, at `put_ms`. `failed` is why it went no further than the rules.
CREATE TABLE silent_test (
    id        TEXT PRIMARY KEY,
    gateway   TEXT NOT NULL,
    put_ms    INTEGER NOT NULL,
    stored_ms INTEGER NOT NULL,
    failed    TEXT
);
CREATE INDEX silent_test_stored ON silent_test (stored_ms);

-- A row of the outbox belongs to an alert or to a silent test.
ALTER TABLE outbox ADD COLUMN of_alert TEXT REFERENCES alert (id);
UPDATE outbox SET of_alert = alert;
DROP INDEX outbox_alert;
ALTER TABLE outbox DROP COLUMN alert;
ALTER TABLE outbox RENAME COLUMN of_alert TO alert;
ALTER TABLE outbox ADD COLUMN test TEXT REFERENCES silent_test (id) CHECK ((test IS NULL) <> (alert IS NULL));
CREATE INDEX outbox_alert ON outbox (alert);
CREATE INDEX outbox_test ON outbox (test);

-- When a channel's peer last took something.
CREATE TABLE channel_proven (
    channel   TEXT PRIMARY KEY,
    proven_ms INTEGER NOT NULL
);
