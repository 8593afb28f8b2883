-- Roles that the policy file invents (role is then a number made of the name), and the repositories that a membership is
-- for: patterns, one a line; '' is the project with all of them.

-- +goose Up
ALTER TABLE members ADD COLUMN role_name TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE members ADD COLUMN repositories TEXT NOT NULL DEFAULT '';
CREATE INDEX members_role_name ON members (role_name) WHERE role_name > '';
