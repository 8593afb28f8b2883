-- The index: what registries hold, as the front door or their notifications told. Times of pushes and pulls in
-- microseconds, 0 for never. top: the artifact stands for itself, it has a tag or is neither in an index nor about
-- another one; artifact_count counts those. project_blobs has each blob of a project once, with how many of its
-- artifacts refer to it; project_usage is the sum of their sizes, in parts that pushes to other repositories change.

-- +goose Up
CREATE TABLE IF NOT EXISTS repositories (
    id             BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    project_id     BIGINT NOT NULL,
    name           VARBINARY(255) NOT NULL,
    description    TEXT NOT NULL,
    artifact_count BIGINT NOT NULL,
    pull_count     BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    UNIQUE KEY repositories_key (name),
    KEY repositories_project (project_id, id),
    KEY repositories_project_name (project_id, name),
    KEY repositories_project_updated (project_id, updated_at, id),
    KEY repositories_project_created (project_id, created_at, id),
    KEY repositories_project_pulls (project_id, pull_count, id),
    KEY repositories_updated (updated_at, id),
    KEY repositories_created (created_at, id),
    KEY repositories_pulls (pull_count, id),
    FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS artifacts (
    id            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    project_id    BIGINT NOT NULL,
    repository_id BIGINT NOT NULL,
    digest        VARBINARY(300) NOT NULL,
    media_type    VARBINARY(255) NOT NULL,
    artifact_type VARBINARY(255) NOT NULL,
    config_type   VARBINARY(255) NOT NULL,
    kind          VARBINARY(255) NOT NULL,
    size          BIGINT NOT NULL,
    subject       VARBINARY(300) NOT NULL,
    annotations   MEDIUMTEXT NOT NULL,
    extra         MEDIUMTEXT NOT NULL,
    top           BOOLEAN NOT NULL,
    pushed_at     BIGINT NOT NULL,
    pulled_at     BIGINT NOT NULL,
    UNIQUE KEY artifacts_key (repository_id, digest),
    KEY artifacts_pushed (repository_id, top, pushed_at, id),
    KEY artifacts_pulled (repository_id, top, pulled_at, id),
    KEY artifacts_size (repository_id, top, size, id),
    KEY artifacts_subject (repository_id, subject, id),
    KEY artifacts_project (project_id, top, pushed_at, id),
    KEY artifacts_all (repository_id, id),
    FOREIGN KEY (repository_id) REFERENCES repositories (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS artifact_children (
    id            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    parent_id     BIGINT NOT NULL,
    repository_id BIGINT NOT NULL,
    position      BIGINT NOT NULL,
    digest        VARBINARY(300) NOT NULL,
    platform      TEXT NOT NULL,
    annotations   TEXT NOT NULL,
    UNIQUE KEY artifact_children_key (parent_id, position),
    KEY artifact_children_digest (repository_id, digest),
    FOREIGN KEY (parent_id) REFERENCES artifacts (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS tags (
    id            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    repository_id BIGINT NOT NULL,
    artifact_id   BIGINT NOT NULL,
    name          VARBINARY(128) NOT NULL,
    pushed_at     BIGINT NOT NULL,
    pulled_at     BIGINT NOT NULL,
    UNIQUE KEY tags_key (repository_id, name),
    KEY tags_artifact (artifact_id, name),
    KEY tags_pushed (repository_id, pushed_at, id),
    KEY tags_pulled (repository_id, pulled_at, id),
    FOREIGN KEY (repository_id) REFERENCES repositories (id) ON DELETE CASCADE,
    FOREIGN KEY (artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS artifact_blobs (
    id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    artifact_id BIGINT NOT NULL,
    digest      VARBINARY(300) NOT NULL,
    size        BIGINT NOT NULL,
    UNIQUE KEY artifact_blobs_key (artifact_id, digest),
    FOREIGN KEY (artifact_id) REFERENCES artifacts (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS project_blobs (
    id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    project_id BIGINT NOT NULL,
    digest     VARBINARY(300) NOT NULL,
    size       BIGINT NOT NULL,
    refs       BIGINT NOT NULL,
    UNIQUE KEY project_blobs_key (project_id, digest),
    FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS project_usage (
    id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    project_id BIGINT NOT NULL,
    part       BIGINT NOT NULL,
    bytes      BIGINT NOT NULL,
    UNIQUE KEY project_usage_key (project_id, part),
    FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;
