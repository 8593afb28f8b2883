-- How the walk through the registry that fills the index stands: one row, in JSON.

-- +goose Up
CREATE TABLE IF NOT EXISTS reindex (
    id     BIGINT   NOT NULL PRIMARY KEY,
    record LONGTEXT NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;
