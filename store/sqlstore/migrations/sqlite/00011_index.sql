-- The index: what registries hold, as the front door or their notifications told. Times of pushes and pulls in
-- microseconds, 0 for never. top: the artifact stands for itself, it has a tag or is neither in an index nor about
-- another one; artifact_count counts those. project_blobs has each blob of a project once, with how many of its
-- artifacts refer to it; project_usage is the sum of their sizes, in parts that pushes to other repositories change.

-- +goose Up
CREATE TABLE repositories (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id     INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name           TEXT NOT NULL,
    description    TEXT NOT NULL,
    artifact_count INTEGER NOT NULL,
    pull_count     INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    UNIQUE (name)
);
CREATE INDEX repositories_project ON repositories (project_id, id);
CREATE INDEX repositories_project_name ON repositories (project_id, name);
CREATE INDEX repositories_project_updated ON repositories (project_id, updated_at, id);
CREATE INDEX repositories_project_created ON repositories (project_id, created_at, id);
CREATE INDEX repositories_project_pulls ON repositories (project_id, pull_count, id);
CREATE INDEX repositories_updated ON repositories (updated_at, id);
CREATE INDEX repositories_created ON repositories (created_at, id);
CREATE INDEX repositories_pulls ON repositories (pull_count, id);

CREATE TABLE artifacts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id    INTEGER NOT NULL,
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest        TEXT NOT NULL,
    media_type    TEXT NOT NULL,
    artifact_type TEXT NOT NULL,
    config_type   TEXT NOT NULL,
    kind          TEXT NOT NULL,
    size          INTEGER NOT NULL,
    subject       TEXT NOT NULL,
    annotations   TEXT NOT NULL,
    extra         TEXT NOT NULL,
    top           INTEGER NOT NULL,
    pushed_at     INTEGER NOT NULL,
    pulled_at     INTEGER NOT NULL,
    UNIQUE (repository_id, digest)
);
CREATE INDEX artifacts_pushed ON artifacts (repository_id, top, pushed_at, id);
CREATE INDEX artifacts_pulled ON artifacts (repository_id, top, pulled_at, id);
CREATE INDEX artifacts_size ON artifacts (repository_id, top, size, id);
CREATE INDEX artifacts_subject ON artifacts (repository_id, subject, id);
CREATE INDEX artifacts_project ON artifacts (project_id, top, pushed_at, id);
CREATE INDEX artifacts_all ON artifacts (repository_id, id);

CREATE TABLE artifact_children (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    parent_id     INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    repository_id INTEGER NOT NULL,
    position      INTEGER NOT NULL,
    digest        TEXT NOT NULL,
    platform      TEXT NOT NULL,
    annotations   TEXT NOT NULL,
    UNIQUE (parent_id, position)
);
CREATE INDEX artifact_children_digest ON artifact_children (repository_id, digest);

CREATE TABLE tags (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    artifact_id   INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    pushed_at     INTEGER NOT NULL,
    pulled_at     INTEGER NOT NULL,
    UNIQUE (repository_id, name)
);
CREATE INDEX tags_artifact ON tags (artifact_id, name);
CREATE INDEX tags_pushed ON tags (repository_id, pushed_at, id);
CREATE INDEX tags_pulled ON tags (repository_id, pulled_at, id);

CREATE TABLE artifact_blobs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    digest      TEXT NOT NULL,
    size        INTEGER NOT NULL,
    UNIQUE (artifact_id, digest)
);

CREATE TABLE project_blobs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    digest     TEXT NOT NULL,
    size       INTEGER NOT NULL,
    refs       INTEGER NOT NULL,
    UNIQUE (project_id, digest)
);

CREATE TABLE project_usage (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    part       INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    UNIQUE (project_id, part)
);
