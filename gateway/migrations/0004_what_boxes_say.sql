-- What a box is told of its home's devices. `key`: a button's secret. `battery` goes up when a named person says that it
-- was changed, at `battery_changed_ms`; `counter` is the highest counter of a press with that battery. A device that has
-- left its home has `ended_ms`.
ALTER TABLE device ADD COLUMN dialect TEXT;
ALTER TABLE device ADD COLUMN key BLOB CHECK (key IS NULL OR length(key) = 16);
ALTER TABLE device ADD COLUMN beacon_s INTEGER;
ALTER TABLE device ADD COLUMN battery INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device ADD COLUMN battery_changed_ms INTEGER;
ALTER TABLE device ADD COLUMN counter INTEGER;
ALTER TABLE device ADD COLUMN ended_ms INTEGER;
UPDATE device SET counter = highest
FROM (SELECT device AS pressed, max(counter) AS highest FROM record
      WHERE kind = 'alarm' AND authentic AND NOT counter_went_back GROUP BY device)
WHERE pressed = device.id;

-- `said`: the bytes of the heartbeat itself. What else the table holds is for queries.
ALTER TABLE heartbeat ADD COLUMN said BLOB;
ALTER TABLE device_state ADD COLUMN model TEXT;
ALTER TABLE device_state ADD COLUMN clock_ahead_s INTEGER;
ALTER TABLE device_state ADD COLUMN is_missing INTEGER NOT NULL DEFAULT 0;

-- How an alarm reached us.
ALTER TABLE record ADD COLUMN not_on_flash INTEGER;
ALTER TABLE record ADD COLUMN before_enrolment INTEGER;

-- Who claimed it says that somebody is on the way.
ALTER TABLE alert ADD COLUMN on_the_way_ms INTEGER;
CREATE INDEX alert_about ON alert (about, closed_ms);
-- A name in one home is not the same name in another.
UPDATE alert SET about = 'device:' || home || '/' || substr(about, 8) WHERE about LIKE 'device:%';

-- From an alarm's record to the numbers that agents know it by, and an agent's latest alarms. There are few of them.
CREATE INDEX event_alarm_record ON event (record) WHERE lane = 'alarm' AND record IS NOT NULL;
CREATE INDEX record_alarm ON record (device, id) WHERE kind = 'alarm';
CREATE INDEX event_alarm ON event (agent, stored_ms) WHERE lane = 'alarm';
-- What agents said of themselves.
CREATE INDEX event_own ON event (agent, stored_ms)
    WHERE kind IN ('began', 'refused', 'device_trouble', 'buffer_damaged', 'time_correction');
