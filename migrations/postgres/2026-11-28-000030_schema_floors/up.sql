-- With which servers a schema still works. A migration that an older server can live with (columns and tables are added, nothing
-- else changes) leaves a row here: version, its own, and works_with, the newest migration that such a server must know. A server
-- that meets a migration it does not know goes on if each such row is there and allows it, and else refuses to start.
CREATE TABLE schema_floors (
    version TEXT NOT NULL,
    works_with TEXT NOT NULL,
    PRIMARY KEY (version)
);
