-- Since when a project has its name (0: since it was made) and had one that it was called by: what was done under a name
-- before that was done to another project. What is there is asked first, so that the migration can be run again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE projects ADD COLUMN named_at BIGINT NOT NULL DEFAULT 0',
    'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'projects' AND column_name = 'named_at');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
SET @change = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE project_names ADD COLUMN since BIGINT NOT NULL DEFAULT 0',
    'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'project_names' AND column_name = 'since');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
