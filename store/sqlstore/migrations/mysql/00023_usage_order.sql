-- What projects hold, to sort them by. It is summed up when somebody asks for that order, of the projects whose parts have
-- changed since: a push notes so in the part that it changes anyway, and in no row that others change. What is there is
-- asked first, so that the migration can be run again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE projects ADD COLUMN used_bytes BIGINT NOT NULL DEFAULT 0, ADD KEY projects_used (used_bytes, id)',
    'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'projects' AND column_name = 'used_bytes');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
SET @change = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE project_usage ADD COLUMN changed BIGINT NOT NULL DEFAULT 1, ADD KEY project_usage_changed (changed, project_id)',
    'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'project_usage' AND column_name = 'changed');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
