-- What projects are told by name and how much they may hold, when the server's own jobs run, and what an administrator
-- changed at run time.

-- +goose Up
ALTER TABLE projects ADD COLUMN metadata TEXT NOT NULL DEFAULT '';
ALTER TABLE projects ADD COLUMN storage_limit INTEGER NOT NULL DEFAULT 0;
CREATE INDEX projects_storage_limit ON projects (storage_limit, id);

CREATE TABLE schedules (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    job        TEXT    NOT NULL UNIQUE,
    type       TEXT    NOT NULL,
    cron       TEXT    NOT NULL,
    parameters TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);

CREATE TABLE configurations (
    name       TEXT    NOT NULL PRIMARY KEY,
    value      TEXT    NOT NULL,
    updated_at INTEGER NOT NULL
);
