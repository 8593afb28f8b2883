-- Labels on artifacts. project_id and repository_id are the artifact's: lists of those are narrowed by labels.

-- +goose Up
CREATE TABLE IF NOT EXISTS artifact_labels (
    id            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    artifact_id   BIGINT NOT NULL,
    label_id      BIGINT NOT NULL,
    project_id    BIGINT NOT NULL,
    repository_id BIGINT NOT NULL,
    UNIQUE KEY artifact_labels_once (artifact_id, label_id),
    KEY artifact_labels_repository (label_id, repository_id, artifact_id),
    KEY artifact_labels_project (label_id, project_id, artifact_id),
    FOREIGN KEY (artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE,
    FOREIGN KEY (label_id) REFERENCES labels (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;
