-- How far each alert that nobody has taken has climbed. `due_ms`: when its next rung is told; none where somebody has taken
-- it. `unanswered_ms`: since when all rungs are through. `ring_ms`: which of its rings is told of.
CREATE TABLE escalation (
    alert         TEXT PRIMARY KEY REFERENCES alert (id),
    ring_ms       INTEGER NOT NULL,
    next_rung     INTEGER NOT NULL,
    rounds        INTEGER NOT NULL,
    due_ms        INTEGER,
    rang_again    INTEGER NOT NULL,
    has_told      INTEGER NOT NULL,
    unanswered_ms INTEGER
);

-- What a team does while nobody takes an alert, rung by rung, as JSON. A team without a row does what is usual.
CREATE TABLE escalation_plan (
    team   TEXT PRIMARY KEY,
    plan   TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_ms INTEGER NOT NULL
);

-- The channels that the configuration opens: written at each start. Over another one nobody can be reached.
CREATE TABLE open_channel (
    channel TEXT PRIMARY KEY
);

-- What nobody has taken yet climbs from its first rung on.
INSERT INTO escalation (alert, ring_ms, next_rung, rounds, due_ms, rang_again, has_told)
SELECT id, rung_ms, 0, 0, rung_ms, 0, 0 FROM alert WHERE state = 'open';
INSERT INTO timer (kind, key, due_ms) SELECT 'escalation', id, rung_ms FROM alert WHERE state = 'open';
