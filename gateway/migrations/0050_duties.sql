-- What one gateway at a time does for all: until `until_ms`, by the database's clock, it is `holder`'s to do.
CREATE TABLE duty (
    name     TEXT PRIMARY KEY,
    holder   TEXT NOT NULL,
    until_ms INTEGER NOT NULL
);
