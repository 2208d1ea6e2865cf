-- Characteristics of vendors: text, `2a35` for one that the Bluetooth SIG assigned, else the whole UUID.
DROP INDEX record_device_time;
ALTER TABLE record RENAME COLUMN characteristic TO characteristic_number;
ALTER TABLE record ADD COLUMN characteristic TEXT NOT NULL DEFAULT '';
UPDATE record SET characteristic = printf('%04x', characteristic_number);
ALTER TABLE record DROP COLUMN characteristic_number;
CREATE INDEX record_device_time ON record (device, characteristic, device_time) WHERE device_time IS NOT NULL;

-- More kinds of event that an agent sends about itself.
CREATE TABLE event_of_more_kinds (
    agent       TEXT NOT NULL,
    lane        TEXT NOT NULL CHECK (lane IN ('alarm', 'reading')),
    epoch       TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    disposition TEXT NOT NULL CHECK (disposition IN ('stored', 'repeated', 'quarantined')),
    kind        TEXT NOT NULL
        CHECK (kind IN ('signal', 'alarm', 'began', 'refused', 'device_trouble', 'buffer_damaged', 'time_correction',
                        'device_clock', 'unreadable')),
    digest      BLOB,
    record      TEXT,
    content     BLOB,
    stored_ms   INTEGER NOT NULL,
    PRIMARY KEY (agent, lane, epoch, seq)
) WITHOUT ROWID;
INSERT INTO event_of_more_kinds SELECT * FROM event;
DROP TABLE event;
ALTER TABLE event_of_more_kinds RENAME TO event;
