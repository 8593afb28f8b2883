-- What jobs are told to do, the rules of tags, and labels. Secrets in registries and webhooks are sealed; lists and rules
-- are JSON. labels.owner is the project, or 0 for a global label: a unique index takes two NULLs for different.

-- +goose Up
-- Where is copied from and to. status is what the last ping found.
CREATE TABLE registries (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    name            TEXT NOT NULL UNIQUE,
    name_key        TEXT NOT NULL,
    description     TEXT NOT NULL,
    url             TEXT NOT NULL,
    type            TEXT NOT NULL,
    credential_type TEXT NOT NULL,
    access_key      TEXT NOT NULL,
    access_secret   TEXT NOT NULL,
    insecure        BOOLEAN NOT NULL,
    ca_certificate  TEXT NOT NULL,
    status          TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
);
CREATE INDEX registries_name ON registries (name_key, id);
CREATE INDEX registries_created ON registries (created_at, id);
CREATE INDEX registries_updated ON registries (updated_at, id);

-- One of the two registries is NULL: this server.
CREATE TABLE replication_policies (
    id                           INTEGER PRIMARY KEY AUTOINCREMENT,
    name                         TEXT NOT NULL UNIQUE,
    name_key                     TEXT NOT NULL,
    description                  TEXT NOT NULL,
    src_registry_id              INTEGER REFERENCES registries (id),
    dest_registry_id             INTEGER REFERENCES registries (id),
    dest_namespace               TEXT NOT NULL,
    dest_namespace_replace_count INTEGER NOT NULL,
    trigger_type                 TEXT NOT NULL,
    cron                         TEXT NOT NULL,
    filters                      TEXT NOT NULL,
    replicate_deletion           BOOLEAN NOT NULL,
    override                     BOOLEAN NOT NULL,
    enabled                      BOOLEAN NOT NULL,
    speed                        INTEGER NOT NULL,
    copy_by_chunk                BOOLEAN NOT NULL,
    single_active                BOOLEAN NOT NULL,
    creator                      TEXT NOT NULL,
    created_at                   INTEGER NOT NULL,
    updated_at                   INTEGER NOT NULL
);
CREATE INDEX replication_policies_name ON replication_policies (name_key, id);
CREATE INDEX replication_policies_created ON replication_policies (created_at, id);
CREATE INDEX replication_policies_updated ON replication_policies (updated_at, id);
CREATE INDEX replication_policies_src ON replication_policies (src_registry_id);
CREATE INDEX replication_policies_dest ON replication_policies (dest_registry_id);

CREATE TABLE webhook_policies (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id  INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL,
    description TEXT NOT NULL,
    targets     TEXT NOT NULL,
    event_types TEXT NOT NULL,
    creator     TEXT NOT NULL,
    enabled     BOOLEAN NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    UNIQUE (project_id, name)
);
CREATE INDEX webhook_policies_project ON webhook_policies (project_id, id);
CREATE INDEX webhook_policies_key ON webhook_policies (project_id, name_key, id);
CREATE INDEX webhook_policies_created ON webhook_policies (project_id, created_at, id);
CREATE INDEX webhook_policies_updated ON webhook_policies (project_id, updated_at, id);

-- A project has one at most.
CREATE TABLE retention_policies (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id   INTEGER NOT NULL UNIQUE REFERENCES projects (id) ON DELETE CASCADE,
    algorithm    TEXT NOT NULL,
    rules        TEXT NOT NULL,
    trigger_kind TEXT NOT NULL,
    cron         TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
);

CREATE TABLE immutable_rules (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    priority   INTEGER NOT NULL,
    disabled   BOOLEAN NOT NULL,
    rule       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX immutable_rules_project ON immutable_rules (project_id, id);

CREATE TABLE labels (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    owner       INTEGER NOT NULL,
    project_id  INTEGER REFERENCES projects (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL,
    description TEXT NOT NULL,
    color       TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    UNIQUE (owner, name)
);
CREATE INDEX labels_owner ON labels (owner, id);
CREATE INDEX labels_key ON labels (owner, name_key, id);
CREATE INDEX labels_created ON labels (owner, created_at, id);
CREATE INDEX labels_updated ON labels (owner, updated_at, id);
CREATE INDEX labels_project ON labels (project_id);
