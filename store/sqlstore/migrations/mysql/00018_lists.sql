-- Lists: each order that the API offers has an index, for what everybody sees and for what is public; members are in the
-- order of their ids. Each statement can be run again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE projects ADD KEY projects_updated (updated_at, id), ADD KEY projects_public_name (public, name_key, id), ADD KEY projects_public_created (public, created_at, id), ADD KEY projects_public_updated (public, updated_at, id)',
    'DO 0')
    FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'projects' AND index_name = 'projects_updated');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

SET @change = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE members ADD KEY members_list (project_id, id)',
    'DO 0')
    FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'members' AND index_name = 'members_list');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

SET @change = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE artifacts ADD KEY artifacts_project_id (project_id, id), ADD KEY artifacts_project_pulled (project_id, top, pulled_at, id), ADD KEY artifacts_project_size (project_id, top, size, id)',
    'DO 0')
    FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'artifacts' AND index_name = 'artifacts_project_id');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
