-- Counts on when another password is set, and not when the hash of the same one is made anew: a sign-in that compared the old hash is none the worse for that. A replica of the version before does not count.
ALTER TABLE users ADD COLUMN password_changes INTEGER NOT NULL DEFAULT 0;
