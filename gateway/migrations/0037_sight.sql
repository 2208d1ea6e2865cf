-- A member opened the data of a person outside her responsibility, in an emergency: for which team, why, and until when. Who
-- answers for the person looks at it afterwards.
CREATE TABLE emergency (
    id          TEXT PRIMARY KEY,
    member      TEXT NOT NULL REFERENCES account (name),
    person      TEXT NOT NULL REFERENCES person (id),
    team        TEXT NOT NULL REFERENCES team (id),
    reason      TEXT NOT NULL,
    from_ms     INTEGER NOT NULL,
    until_ms    INTEGER NOT NULL,
    reviewed_by TEXT,
    reviewed_ms INTEGER,
    CHECK (until_ms > from_ms),
    CHECK ((reviewed_by IS NULL) = (reviewed_ms IS NULL))
);
CREATE INDEX emergency_member ON emergency (member, until_ms);
CREATE INDEX emergency_not_reviewed ON emergency (from_ms) WHERE reviewed_ms IS NULL;

-- Before whom an alert was brought while it climbed: a team, or a member by name. They see it until it is closed.
CREATE TABLE brought_before (
    alert TEXT NOT NULL REFERENCES alert (id),
    kind  TEXT NOT NULL CHECK (kind IN ('team', 'member')),
    whom  TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (alert, kind, whom)
);
CREATE INDEX brought_before_whom ON brought_before (kind, whom);
