-- One row about the database itself. Which one it is; the epoch, that is when it was last told that it had gone back to an older
-- state, in microseconds UTC (0: never); how often it was marked; whether a start has told of the epoch; when something was last
-- forgotten, and until when nothing is, since the clock jumped ahead.
CREATE TABLE server_state (
    one INTEGER NOT NULL,
    database_id TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    told BOOLEAN NOT NULL,
    seen_at INTEGER,
    hold_until INTEGER,
    PRIMARY KEY (one)
) WITHOUT ROWID;

INSERT INTO schema_floors (version, works_with) VALUES ('20261128000031', '20261122000004');
