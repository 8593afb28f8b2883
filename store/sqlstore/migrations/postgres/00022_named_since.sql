-- Since when a project has its name (0: since it was made) and had one that it was called by: what was done under a name
-- before that was done to another project.

-- +goose Up
ALTER TABLE projects ADD COLUMN named_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE project_names ADD COLUMN since BIGINT NOT NULL DEFAULT 0;
