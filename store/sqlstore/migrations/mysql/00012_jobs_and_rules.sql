-- What jobs are told to do, the rules of tags, and labels. Secrets in registries and webhooks are sealed; lists and rules
-- are JSON. labels.owner is the project, or 0 for a global label: a unique index takes two NULLs for different. Each
-- statement can be run again.

-- +goose Up
-- Where is copied from and to. status is what the last ping found.
CREATE TABLE IF NOT EXISTS registries (
    id              BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name            VARBINARY(1020) NOT NULL,
    name_key        VARBINARY(1020) NOT NULL,
    description     TEXT NOT NULL,
    url             TEXT NOT NULL,
    type            TEXT NOT NULL,
    credential_type TEXT NOT NULL,
    access_key      TEXT NOT NULL,
    access_secret   TEXT NOT NULL,
    insecure        BOOLEAN NOT NULL,
    ca_certificate  MEDIUMTEXT NOT NULL,
    status          TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    UNIQUE KEY registries_name_once (name),
    KEY registries_name (name_key, id),
    KEY registries_created (created_at, id),
    KEY registries_updated (updated_at, id)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

-- One of the two registries is NULL: this server.
CREATE TABLE IF NOT EXISTS replication_policies (
    id                           BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name                         VARBINARY(1020) NOT NULL,
    name_key                     VARBINARY(1020) NOT NULL,
    description                  TEXT NOT NULL,
    src_registry_id              BIGINT,
    dest_registry_id             BIGINT,
    dest_namespace               TEXT NOT NULL,
    dest_namespace_replace_count BIGINT NOT NULL,
    trigger_type                 TEXT NOT NULL,
    cron                         TEXT NOT NULL,
    filters                      MEDIUMTEXT NOT NULL,
    replicate_deletion           BOOLEAN NOT NULL,
    override                     BOOLEAN NOT NULL,
    enabled                      BOOLEAN NOT NULL,
    speed                        BIGINT NOT NULL,
    copy_by_chunk                BOOLEAN NOT NULL,
    single_active                BOOLEAN NOT NULL,
    creator                      TEXT NOT NULL,
    created_at                   BIGINT NOT NULL,
    updated_at                   BIGINT NOT NULL,
    UNIQUE KEY replication_policies_name_once (name),
    KEY replication_policies_name (name_key, id),
    KEY replication_policies_created (created_at, id),
    KEY replication_policies_updated (updated_at, id),
    KEY replication_policies_src (src_registry_id),
    KEY replication_policies_dest (dest_registry_id),
    FOREIGN KEY (src_registry_id) REFERENCES registries (id),
    FOREIGN KEY (dest_registry_id) REFERENCES registries (id)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS webhook_policies (
    id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    project_id  BIGINT NOT NULL,
    name        VARBINARY(1020) NOT NULL,
    name_key    VARBINARY(1020) NOT NULL,
    description TEXT NOT NULL,
    targets     MEDIUMTEXT NOT NULL,
    event_types MEDIUMTEXT NOT NULL,
    creator     TEXT NOT NULL,
    enabled     BOOLEAN NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    UNIQUE KEY webhook_policies_name (project_id, name),
    KEY webhook_policies_project (project_id, id),
    KEY webhook_policies_key (project_id, name_key, id),
    KEY webhook_policies_created (project_id, created_at, id),
    KEY webhook_policies_updated (project_id, updated_at, id),
    FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

-- A project has one at most.
CREATE TABLE IF NOT EXISTS retention_policies (
    id           BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    project_id   BIGINT NOT NULL,
    algorithm    TEXT NOT NULL,
    rules        MEDIUMTEXT NOT NULL,
    trigger_kind TEXT NOT NULL,
    cron         TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    UNIQUE KEY retention_policies_project_id (project_id),
    FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS immutable_rules (
    id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    project_id BIGINT NOT NULL,
    priority   BIGINT NOT NULL,
    disabled   BOOLEAN NOT NULL,
    rule       MEDIUMTEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    KEY immutable_rules_project (project_id, id),
    FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS labels (
    id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    owner       BIGINT NOT NULL,
    project_id  BIGINT,
    name        VARBINARY(1020) NOT NULL,
    name_key    VARBINARY(1020) NOT NULL,
    description TEXT NOT NULL,
    color       TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    UNIQUE KEY labels_name (owner, name),
    KEY labels_owner (owner, id),
    KEY labels_key (owner, name_key, id),
    KEY labels_created (owner, created_at, id),
    KEY labels_updated (owner, updated_at, id),
    KEY labels_project (project_id),
    FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;
