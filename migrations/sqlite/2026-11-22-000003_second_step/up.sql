-- Apart from proved_at, so that a password typed later makes no old second step fresh. A replica of the version before writes none: its sessions step up once more.
ALTER TABLE sessions ADD COLUMN second_step_at INTEGER;
