-- Roles that the policy file invents (role is then a number made of the name), and the repositories that a membership is
-- for: patterns, one a line; '' is the project with all of them. What is there is asked
-- first, so that the migration can be run again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE members ADD COLUMN role_name VARBINARY(1020) NOT NULL DEFAULT '''', ADD COLUMN repositories VARCHAR(8192) NOT NULL DEFAULT '''', ADD KEY members_role_name (role_name)',
    'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'members' AND column_name = 'role_name');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
