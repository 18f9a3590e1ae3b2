-- What a refresh token was exchanged for, from which network, and when that was given once more. What a replica of the version before exchanged has none of it, and is given no second time.
ALTER TABLE refresh_tokens ADD COLUMN successor_id UUID;
ALTER TABLE refresh_tokens ADD COLUMN replaced_from TEXT;
ALTER TABLE refresh_tokens ADD COLUMN repeated_at BIGINT;
