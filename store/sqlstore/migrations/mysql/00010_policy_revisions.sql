-- What the policy was, and who changed it.

-- +goose Up
CREATE TABLE IF NOT EXISTS policy_revisions (
    id          BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    time        BIGINT         NOT NULL,
    author      VARBINARY(1020) NOT NULL,
    comment     TEXT           NOT NULL,
    model       LONGTEXT       NOT NULL,
    rules       LONGTEXT       NOT NULL,
    fingerprint VARBINARY(64)  NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;
