-- The credential that a refresh token came from and ends with, such as a personal access token. MySQL knows no ADD
-- COLUMN IF NOT EXISTS: what is there is asked first, so that the migration can be run again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE refresh_tokens ADD COLUMN via VARBINARY(1020) NOT NULL DEFAULT '''', ADD KEY refresh_tokens_via (via)',
    'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'refresh_tokens' AND column_name = 'via');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
