-- Devices that wait to be signed in by somebody who sits at another one (RFC 8628). A row lives for minutes.

-- +goose Up
CREATE TABLE device_codes (
    id            TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    secret_hash   BYTEA  NOT NULL,
    user_code     TEXT   COLLATE "C" NOT NULL UNIQUE,
    client_id     TEXT   NOT NULL,
    service       TEXT   NOT NULL,
    scope         TEXT   NOT NULL,
    remote        TEXT   COLLATE "C" NOT NULL,
    status        TEXT   NOT NULL,
    subject       TEXT   NOT NULL,
    user_id       BIGINT REFERENCES users (id) ON DELETE CASCADE,
    user_as_of    BIGINT NOT NULL,
    poll_interval BIGINT NOT NULL,
    polled_at     BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL
);
CREATE INDEX device_codes_expiry ON device_codes (expires_at);
CREATE INDEX device_codes_remote ON device_codes (remote, expires_at);
CREATE INDEX device_codes_user ON device_codes (user_id);
