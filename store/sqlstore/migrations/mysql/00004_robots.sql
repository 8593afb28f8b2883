-- Robot accounts. The name is without the prefix of robots, which is a setting: "team+ci" of the project team, "ci" at
-- system level. Permissions are JSON that names projects by id, so that a new project does not inherit what a robot may
-- do in an old one of its name. expires_at is 0 for a robot that does not end; a secret with an empty id is none.

-- +goose Up
CREATE TABLE IF NOT EXISTS robots (
    id             BIGINT          NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name           VARBINARY(2040) NOT NULL,
    name_key       VARBINARY(2040) NOT NULL,
    project_id     BIGINT,
    description    TEXT            NOT NULL,
    disabled       BOOLEAN         NOT NULL,
    days           BIGINT          NOT NULL,
    expires_at     BIGINT          NOT NULL,
    permissions    MEDIUMTEXT      NOT NULL,
    creator        TEXT            NOT NULL,
    secret_id      TEXT            NOT NULL,
    secret_hash    TEXT            NOT NULL,
    old_id         TEXT            NOT NULL,
    old_hash       TEXT            NOT NULL,
    old_ends_at    BIGINT          NOT NULL,
    last_used_at   BIGINT          NOT NULL,
    last_used_from TEXT            NOT NULL,
    created_at     BIGINT          NOT NULL,
    updated_at     BIGINT          NOT NULL,
    UNIQUE KEY robots_name_key (name_key),
    KEY robots_project (project_id, id),
    KEY robots_created (created_at, id),
    FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;
