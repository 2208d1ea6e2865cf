-- A care team. Exactly one is the fallback: what nobody else is responsible for is its.
CREATE TABLE team (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    area        TEXT NOT NULL CHECK (area IN ('health_care', 'social_services')),
    time_zone   TEXT NOT NULL,
    is_fallback INTEGER NOT NULL,
    created_ms  INTEGER NOT NULL
);
CREATE UNIQUE INDEX team_fallback ON team (is_fallback) WHERE is_fallback = 1;
CREATE UNIQUE INDEX team_name ON team (name);

-- A member works for a team, for a purpose, from `from_ms` until before `until_ms`. None is deleted: they end.
CREATE TABLE commission (
    id       TEXT PRIMARY KEY,
    member   TEXT NOT NULL REFERENCES account (name),
    team     TEXT NOT NULL REFERENCES team (id),
    purpose  TEXT NOT NULL CHECK (purpose IN ('care', 'administration')),
    from_ms  INTEGER NOT NULL,
    until_ms INTEGER,
    set_by   TEXT NOT NULL,
    set_ms   INTEGER NOT NULL,
    CHECK (until_ms IS NULL OR until_ms >= from_ms)
);
CREATE INDEX commission_team ON commission (team);
CREATE INDEX commission_member ON commission (member);

-- A team is responsible for a person, in the team's area.
CREATE TABLE responsibility (
    id       TEXT PRIMARY KEY,
    person   TEXT NOT NULL REFERENCES person (id),
    team     TEXT NOT NULL REFERENCES team (id),
    from_ms  INTEGER NOT NULL,
    until_ms INTEGER,
    set_by   TEXT NOT NULL,
    set_ms   INTEGER NOT NULL,
    CHECK (until_ms IS NULL OR until_ms >= from_ms)
);
CREATE INDEX responsibility_person ON responsibility (person);
CREATE INDEX responsibility_team ON responsibility (team);

-- Nobody signs in with an account that is disabled, and it is in no team.
ALTER TABLE account ADD COLUMN disabled_ms INTEGER;
