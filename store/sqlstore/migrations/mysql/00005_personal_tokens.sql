-- Personal access tokens. scope is JSON, or empty for all that the user may; expires_at is 0 for never, last_used_at for
-- not yet.

-- +goose Up
CREATE TABLE IF NOT EXISTS personal_access_tokens (
    seq            BIGINT          NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id             VARBINARY(1020) NOT NULL,
    user_id        BIGINT          NOT NULL,
    name           TEXT            NOT NULL,
    name_key       VARBINARY(1020) NOT NULL,
    secret_hash    VARBINARY(1020) NOT NULL,
    scope          MEDIUMTEXT      NOT NULL,
    created_at     BIGINT          NOT NULL,
    expires_at     BIGINT          NOT NULL,
    last_used_at   BIGINT          NOT NULL,
    last_used_from TEXT            NOT NULL,
    UNIQUE KEY personal_access_tokens_id (id),
    UNIQUE KEY personal_access_tokens_name (user_id, name_key),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;
