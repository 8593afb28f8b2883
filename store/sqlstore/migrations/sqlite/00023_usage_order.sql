-- What projects hold, to sort them by. It is summed up when somebody asks for that order, of the projects whose parts have
-- changed since: a push notes so in the part that it changes anyway, and in no row that others change.

-- +goose Up
ALTER TABLE projects ADD COLUMN used_bytes INTEGER NOT NULL DEFAULT 0;
CREATE INDEX projects_used ON projects (used_bytes, id);
ALTER TABLE project_usage ADD COLUMN changed INTEGER NOT NULL DEFAULT 1;
CREATE INDEX project_usage_changed ON project_usage (project_id) WHERE changed = 1;
