-- Since when a project has its name (0: since it was made) and had one that it was called by: what was done under a name
-- before that was done to another project.

-- +goose Up
ALTER TABLE projects ADD COLUMN named_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE project_names ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
