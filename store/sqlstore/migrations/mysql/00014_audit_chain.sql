-- The audit trail as chains of hashes (docs/decisions), and the trail of a project.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE audit_log ADD COLUMN project VARBINARY(1100) NOT NULL DEFAULT '''', ADD COLUMN chain BIGINT NOT NULL DEFAULT 0, ADD COLUMN seq BIGINT NOT NULL DEFAULT 0, ADD COLUMN hash VARBINARY(32) NOT NULL DEFAULT '''', ADD KEY audit_log_project (project, id)',
    'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'audit_log' AND column_name = 'project');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

CREATE TABLE IF NOT EXISTS audit_register (
    id        BIGINT        NOT NULL PRIMARY KEY,
    newest    BIGINT        NOT NULL,
    oldest    BIGINT        NOT NULL,
    unchained BIGINT        NOT NULL,
    key_id    VARBINARY(64) NOT NULL,
    signature VARBINARY(64) NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS audit_chains (
    id         BIGINT        NOT NULL PRIMARY KEY,
    started_at BIGINT        NOT NULL,
    seq        BIGINT        NOT NULL,
    hash       VARBINARY(64) NOT NULL,
    key_id     VARBINARY(64) NOT NULL,
    signature  VARBINARY(64) NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS audit_anchors (
    id        BIGINT        NOT NULL PRIMARY KEY,
    seq       BIGINT        NOT NULL,
    hash      VARBINARY(64) NOT NULL,
    key_id    VARBINARY(64) NOT NULL,
    signature VARBINARY(64) NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;
