-- Lists: each order that the API offers has an index, for what everybody sees and for what is public; members are in the
-- order of their ids. What was done is found by its name in the audit trail; tokens, which most records are about, cost
-- that index nothing.

-- +goose Up
CREATE INDEX projects_updated ON projects (updated_at, id);
CREATE INDEX projects_public_name ON projects (public, name_key, id);
CREATE INDEX projects_public_created ON projects (public, created_at, id);
CREATE INDEX projects_public_updated ON projects (public, updated_at, id);
CREATE INDEX members_list ON members (project_id, id);
CREATE INDEX artifacts_project_id ON artifacts (project_id, id);
CREATE INDEX artifacts_project_pulled ON artifacts (project_id, top, pulled_at, id);
CREATE INDEX artifacts_project_size ON artifacts (project_id, top, size, id);
CREATE INDEX audit_log_operation ON audit_log (operation, id) WHERE operation <> 'token';
