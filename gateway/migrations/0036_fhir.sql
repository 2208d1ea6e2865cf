-- How far the records that a FHIR server is to have have been sent there: all up to `record`, but for those set aside.
-- One gateway at a time sends (`lease_until_ms`). `failing_ms`: since when nothing gets through, and what was said.
CREATE TABLE fhir_cursor (
    server         TEXT PRIMARY KEY,
    record         TEXT NOT NULL,
    lease_by       TEXT,
    lease_until_ms INTEGER NOT NULL DEFAULT 0,
    sent_ms        INTEGER,
    attempts       INTEGER NOT NULL DEFAULT 0,
    failing_ms     INTEGER,
    said           TEXT
);

-- What the cursor passed and the server does not have as it is: a reading that is nobody's yet, one that was dated anew or given to
-- somebody else since, or one that the server refuses, which waits for a person to have it tried again.
CREATE TABLE fhir_aside (
    server TEXT NOT NULL REFERENCES fhir_cursor (server),
    record TEXT NOT NULL REFERENCES record (id),
    why    TEXT NOT NULL CHECK (why IN ('unassigned', 'changed', 'refused')),
    said   TEXT,
    PRIMARY KEY (server, record)
);

-- As what each alert was last sent to a server.
CREATE TABLE fhir_alert (
    server  TEXT NOT NULL REFERENCES fhir_cursor (server),
    alert   TEXT NOT NULL REFERENCES alert (id),
    sent_as TEXT NOT NULL,
    PRIMARY KEY (server, alert)
);
