-- By which number the registers know a person, and since when. `system` is FHIR's name for whose number it is. Another number
-- takes the place of the one before, which has `until_ms` then: a coordination number becomes a personnummer.
CREATE TABLE person_number (
    id       TEXT PRIMARY KEY,
    person   TEXT NOT NULL REFERENCES person (id),
    system   TEXT NOT NULL,
    number   TEXT NOT NULL,
    from_ms  INTEGER NOT NULL,
    until_ms INTEGER
);
CREATE UNIQUE INDEX person_number_one ON person_number (person) WHERE until_ms IS NULL;
CREATE UNIQUE INDEX person_number_whose ON person_number (system, number) WHERE until_ms IS NULL;
