-- What projects were called before they were renamed. Pulls under such a name go on to work, so nobody else may take it.

-- +goose Up
CREATE TABLE project_names (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
);
CREATE INDEX project_names_project ON project_names (project_id, id);
