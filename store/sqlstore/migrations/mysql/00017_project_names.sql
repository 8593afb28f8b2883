-- What projects were called before they were renamed. Pulls under such a name go on to work, so nobody else may take it.

-- +goose Up
CREATE TABLE IF NOT EXISTS project_names (
    id         BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    project_id BIGINT         NOT NULL,
    name       VARBINARY(2040) NOT NULL,
    created_at BIGINT         NOT NULL,
    UNIQUE KEY project_names_key (name),
    KEY project_names_project (project_id, id),
    FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;
