-- Devices that wait to be signed in by somebody who sits at another one (RFC 8628). A row lives for minutes.

-- +goose Up
CREATE TABLE IF NOT EXISTS device_codes (
    id            VARBINARY(1020) NOT NULL PRIMARY KEY,
    secret_hash   VARBINARY(1020) NOT NULL,
    user_code     VARBINARY(1020) NOT NULL,
    client_id     TEXT            NOT NULL,
    service       TEXT            NOT NULL,
    scope         TEXT            NOT NULL,
    remote        VARBINARY(1020) NOT NULL,
    status        TEXT            NOT NULL,
    subject       TEXT            NOT NULL,
    user_id       BIGINT,
    user_as_of    BIGINT          NOT NULL,
    poll_interval BIGINT          NOT NULL,
    polled_at     BIGINT          NOT NULL,
    created_at    BIGINT          NOT NULL,
    expires_at    BIGINT          NOT NULL,
    UNIQUE KEY device_codes_user_code (user_code),
    KEY device_codes_expiry (expires_at),
    KEY device_codes_remote (remote, expires_at),
    KEY device_codes_user (user_id),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;
