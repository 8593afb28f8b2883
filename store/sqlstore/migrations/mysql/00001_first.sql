-- Times are microseconds since 1970 in UTC. Ids are never used twice: InnoDB keeps its counters.
--
-- MySQL commits after each CREATE, so a migration that is interrupted leaves a part of itself behind. Each statement
-- here can therefore be run again (IF NOT EXISTS, indexes inside of the tables), and the version is noted at the end.
--
-- What is compared or sorted is VARBINARY: MySQL and MariaDB have no collation in common that compares byte by byte and
-- tells "a" from "a ". It holds UTF-8, of 255 characters at most.

-- +goose Up
CREATE TABLE IF NOT EXISTS users (
    id            BIGINT          NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name          VARBINARY(1020) NOT NULL,
    name_key      VARBINARY(1020) NOT NULL,
    email         VARBINARY(1020) NOT NULL,
    real_name     TEXT            NOT NULL,
    comment       TEXT            NOT NULL,
    password_hash TEXT            NOT NULL,
    sysadmin      BOOLEAN         NOT NULL,
    created_at    BIGINT          NOT NULL,
    updated_at    BIGINT          NOT NULL,
    UNIQUE KEY users_name_key (name_key),
    KEY users_created (created_at, id),
    KEY users_sysadmin (sysadmin)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS projects (
    id         BIGINT          NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name       VARBINARY(1020) NOT NULL,
    name_key   VARBINARY(1020) NOT NULL,
    owner_id   BIGINT,
    public     BOOLEAN         NOT NULL,
    created_at BIGINT          NOT NULL,
    updated_at BIGINT          NOT NULL,
    UNIQUE KEY projects_name (name),
    KEY projects_name_key (name_key, id),
    KEY projects_created (created_at, id),
    KEY projects_public (public, id),
    KEY projects_owner (owner_id),
    FOREIGN KEY (owner_id) REFERENCES users (id) ON DELETE SET NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

-- user_id may be NULL: a member can be something else than a user one day.
CREATE TABLE IF NOT EXISTS members (
    id         BIGINT  NOT NULL AUTO_INCREMENT PRIMARY KEY,
    project_id BIGINT  NOT NULL,
    user_id    BIGINT,
    role       INTEGER NOT NULL,
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL,
    UNIQUE KEY members_project (project_id, user_id),
    KEY members_user (user_id, project_id),
    FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE,
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS refresh_tokens (
    seq          BIGINT          NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id           VARBINARY(1020) NOT NULL,
    secret_hash  VARBINARY(1020) NOT NULL,
    subject      TEXT            NOT NULL,
    subject_key  VARBINARY(1020) NOT NULL,
    user_id      BIGINT,
    service      TEXT            NOT NULL,
    client_id    TEXT            NOT NULL,
    remote       TEXT            NOT NULL,
    created_at   BIGINT          NOT NULL,
    last_used_at BIGINT          NOT NULL,
    idle_expiry  BIGINT          NOT NULL,
    expires_at   BIGINT          NOT NULL,
    UNIQUE KEY refresh_tokens_id (id),
    KEY refresh_tokens_subject (subject_key, seq),
    KEY refresh_tokens_user (user_id),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS revoked_tokens (
    jti        VARBINARY(1020) NOT NULL PRIMARY KEY,
    expires_at BIGINT          NOT NULL,
    KEY revoked_tokens_expiry (expires_at)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

-- The texts of a record may be 16 KB each, and a resource is looked for without an index.
CREATE TABLE IF NOT EXISTS audit_log (
    id         BIGINT          NOT NULL AUTO_INCREMENT PRIMARY KEY,
    time       BIGINT          NOT NULL,
    request_id TEXT            NOT NULL,
    actor      VARBINARY(1100) NOT NULL,
    method     TEXT            NOT NULL,
    remote     TEXT            NOT NULL,
    operation  TEXT            NOT NULL,
    resource   BLOB            NOT NULL,
    outcome    TEXT            NOT NULL,
    reason     TEXT            NOT NULL,
    jti        TEXT            NOT NULL,
    KEY audit_log_actor (actor, id)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;
