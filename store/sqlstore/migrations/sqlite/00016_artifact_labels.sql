-- Labels on artifacts. project_id and repository_id are the artifact's: lists of those are narrowed by labels.

-- +goose Up
CREATE TABLE artifact_labels (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id   INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    label_id      INTEGER NOT NULL REFERENCES labels (id) ON DELETE CASCADE,
    project_id    INTEGER NOT NULL,
    repository_id INTEGER NOT NULL,
    UNIQUE (artifact_id, label_id)
);
CREATE INDEX artifact_labels_repository ON artifact_labels (label_id, repository_id, artifact_id);
CREATE INDEX artifact_labels_project ON artifact_labels (label_id, project_id, artifact_id);
