-- What is older than the law asks to keep may be dropped. The numbers up to `dropped_through` of a lane have no rows any more:
-- they are counted here, so that the books still balance, and none of them is ever taken for new.
ALTER TABLE cursor ADD COLUMN dropped_through INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cursor ADD COLUMN dropped_stored INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cursor ADD COLUMN dropped_repeated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cursor ADD COLUMN dropped_quarantined INTEGER NOT NULL DEFAULT 0;
-- Records with a lower id were dropped, but for those that an alert or a later record refers to.
CREATE TABLE kept_from (
    what TEXT PRIMARY KEY,
    id   TEXT NOT NULL
);
-- Whether a record is referred to is asked for each that is dropped.
CREATE INDEX record_possibly_same ON record (possibly_same_as) WHERE possibly_same_as IS NOT NULL;
