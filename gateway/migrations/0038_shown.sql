-- Before whose eyes an alert was, since it last rang then: a browser of hers said so, of a page that was on the screen.
CREATE TABLE alert_shown (
    alert    TEXT NOT NULL REFERENCES alert (id),
    rung_ms  INTEGER NOT NULL,
    member   TEXT NOT NULL,
    shown_ms INTEGER NOT NULL,
    PRIMARY KEY (alert, rung_ms, member)
);
