-- Who is signed in to the web pages, and who a user is at the provider that vouches for it. Of a session's cookie only
-- the SHA-256 is kept. pending names what has to be passed before the session counts.
--
-- An index of InnoDB holds 3072 bytes: source and subject together must be shorter. A source's name has 63 characters.

-- +goose Up
CREATE TABLE IF NOT EXISTS sessions (
    seq          BIGINT          NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id           VARBINARY(1020) NOT NULL,
    user_id      BIGINT          NOT NULL,
    subject      TEXT            NOT NULL,
    source       TEXT            NOT NULL,
    method       TEXT            NOT NULL,
    pending      TEXT            NOT NULL,
    remote       TEXT            NOT NULL,
    user_agent   TEXT            NOT NULL,
    created_at   BIGINT          NOT NULL,
    last_seen_at BIGINT          NOT NULL,
    idle_expiry  BIGINT          NOT NULL,
    expires_at   BIGINT          NOT NULL,
    UNIQUE KEY sessions_id (id),
    KEY sessions_user (user_id, seq),
    KEY sessions_expiry (expires_at),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS external_identities (
    id         BIGINT          NOT NULL AUTO_INCREMENT PRIMARY KEY,
    user_id    BIGINT          NOT NULL,
    source     VARBINARY(1020) NOT NULL,
    subject    VARBINARY(1020) NOT NULL,
    group_list MEDIUMTEXT      NOT NULL,
    sysadmin   BOOLEAN         NOT NULL,
    renewal    BLOB            NOT NULL,
    ended      BOOLEAN         NOT NULL,
    login_at   BIGINT          NOT NULL,
    checked_at BIGINT          NOT NULL,
    UNIQUE KEY external_identities_user (user_id),
    UNIQUE KEY external_identities_subject (source, subject),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;
