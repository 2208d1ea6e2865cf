-- What becomes of an alert between claim and closing. `said_ms`: the owner's last word. `goes_back_ms`: the case is before
-- the whole team again unless she says something before then. `worse`: how often it got worse since she last saw it.
-- `outcome`: what came of it; cases that were closed before have none.
ALTER TABLE alert ADD COLUMN said_ms INTEGER;
ALTER TABLE alert ADD COLUMN goes_back_ms INTEGER;
ALTER TABLE alert ADD COLUMN worse INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert ADD COLUMN outcome TEXT;

-- How long claims and closed cases hold, as the configuration says: written at each start.
CREATE TABLE patience (
    name TEXT PRIMARY KEY,
    ms   INTEGER NOT NULL
);
INSERT INTO patience (name, ms) VALUES
    ('claim_high', 1800000), ('claim_medium', 14400000), ('claim_low', 86400000), ('reopen', 86400000);

-- Claims that were made before hold as long as any.
UPDATE alert SET said_ms = claimed_ms WHERE state = 'claimed';
UPDATE alert SET said_ms = on_the_way_ms WHERE state = 'claimed' AND on_the_way_ms > claimed_ms;
UPDATE alert SET goes_back_ms = said_ms + CASE severity WHEN 'high' THEN 1800000 WHEN 'medium' THEN 14400000 ELSE 86400000 END
WHERE state = 'claimed';
INSERT INTO timer (kind, key, due_ms) SELECT 'claim', id, goes_back_ms FROM alert WHERE state = 'claimed';
