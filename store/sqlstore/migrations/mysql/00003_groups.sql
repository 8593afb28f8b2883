-- Groups: those that are kept here (source ''), with their members, and those of the sources of users, whose members the
-- sources know. group_key is what the source calls the group, in one form; for those kept here it is name_key. It has
-- room for 600 characters: an index of InnoDB's holds 3072 bytes.

-- +goose Up
CREATE TABLE IF NOT EXISTS user_groups (
    id         BIGINT          NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name       VARBINARY(1020) NOT NULL,
    name_key   VARBINARY(1020) NOT NULL,
    type       INTEGER         NOT NULL,
    source     VARBINARY(252)  NOT NULL,
    group_key  VARBINARY(2400) NOT NULL,
    created_at BIGINT          NOT NULL,
    updated_at BIGINT          NOT NULL,
    UNIQUE KEY user_groups_key (source, group_key),
    KEY user_groups_name (name_key, id),
    KEY user_groups_created (created_at, id)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS group_members (
    id       BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    group_id BIGINT NOT NULL,
    user_id  BIGINT NOT NULL,
    UNIQUE KEY group_members_group (group_id, user_id),
    KEY group_members_user (user_id, group_id),
    FOREIGN KEY (group_id) REFERENCES user_groups (id) ON DELETE CASCADE,
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

-- A member of a project is a user or a group. What is there is asked first, so that the migration can be run again.
SET @change = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE members ADD COLUMN group_id BIGINT, ADD UNIQUE KEY members_project_group (project_id, group_id), ADD KEY members_group (group_id, project_id), ADD FOREIGN KEY (group_id) REFERENCES user_groups (id) ON DELETE CASCADE',
    'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'members' AND column_name = 'group_id');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
