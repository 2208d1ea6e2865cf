-- A team's roster: shifts and changes for a while. Nothing is changed: a new version ends the one before, with who and why.
CREATE TABLE roster (
    team     TEXT NOT NULL REFERENCES team (id),
    version  INTEGER NOT NULL,
    from_ms  INTEGER NOT NULL,
    until_ms INTEGER,
    author   TEXT NOT NULL,
    reason   TEXT NOT NULL,
    roster   TEXT NOT NULL,
    PRIMARY KEY (team, version)
);
CREATE UNIQUE INDEX roster_in_force ON roster (team) WHERE until_ms IS NULL;
