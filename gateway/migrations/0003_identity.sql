-- `next_…`: a certificate that was given out and not shown yet; until it is, the one before is good as well.
ALTER TABLE agent ADD COLUMN next_serial TEXT;
ALTER TABLE agent ADD COLUMN next_expires_ms INTEGER;
-- A retired box hears nothing more, and sends what it still has. A revoked one is cut off: what it had is in the books as
-- waiting until a named person writes it off.
ALTER TABLE agent ADD COLUMN retired_ms INTEGER;
ALTER TABLE agent ADD COLUMN retired_by TEXT;
ALTER TABLE agent ADD COLUMN retired_why TEXT;
ALTER TABLE agent ADD COLUMN revoked_by TEXT;
ALTER TABLE agent ADD COLUMN revoked_why TEXT;
-- Who is to be thrown out of the broker: looked for every second.
CREATE INDEX agent_to_throw_out ON agent (id) WHERE revoked_ms IS NOT NULL AND connected;
