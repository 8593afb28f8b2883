-- The credential that a refresh token came from and ends with, such as a personal access token.

-- +goose Up
ALTER TABLE refresh_tokens ADD COLUMN via TEXT NOT NULL DEFAULT '';
CREATE INDEX refresh_tokens_via ON refresh_tokens (via);
