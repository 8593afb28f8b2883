-- Groups: those that are kept here (source ''), with their members, and those of the sources of users, whose members the
-- sources know. group_key is what the source calls the group, in one form; for those kept here it is name_key.

-- +goose Up
CREATE TABLE user_groups (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL,
    name_key   TEXT    NOT NULL,
    type       INTEGER NOT NULL,
    source     TEXT    NOT NULL,
    group_key  TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (source, group_key)
);
CREATE INDEX user_groups_name ON user_groups (name_key, id);
CREATE INDEX user_groups_created ON user_groups (created_at, id);

CREATE TABLE group_members (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    group_id INTEGER NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    user_id  INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    UNIQUE (group_id, user_id)
);
CREATE INDEX group_members_user ON group_members (user_id, group_id);

-- A member of a project is a user or a group.
ALTER TABLE members ADD COLUMN group_id INTEGER REFERENCES user_groups (id) ON DELETE CASCADE;
CREATE UNIQUE INDEX members_project_group ON members (project_id, group_id);
CREATE INDEX members_group ON members (group_id, project_id);
