-- Differences in a box's books, from the first look that saw them on, and when each box's books were looked at.
CREATE TABLE books_difference (
    agent    TEXT NOT NULL REFERENCES agent (id),
    lane     TEXT NOT NULL,
    epoch    TEXT NOT NULL,
    missing  BIGINT NOT NULL,
    since_ms BIGINT NOT NULL,
    was_told INTEGER NOT NULL,
    PRIMARY KEY (agent, lane, epoch)
);
CREATE TABLE books_look (
    agent   TEXT PRIMARY KEY REFERENCES agent (id),
    at_ms   BIGINT NOT NULL
);
