-- A person's plan: limits, schedule, pause. Nothing is changed: a new version ends the one before, with who and why.
CREATE TABLE plan (
    person   TEXT NOT NULL REFERENCES person (id),
    version  INTEGER NOT NULL,
    from_ms  BIGINT NOT NULL,
    until_ms BIGINT,
    author   TEXT NOT NULL,
    reason   TEXT NOT NULL,
    plan     TEXT NOT NULL,
    PRIMARY KEY (person, version)
);
CREATE UNIQUE INDEX plan_in_force ON plan (person) WHERE until_ms IS NULL;
