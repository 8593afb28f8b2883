-- What projects are told by name and how much they may hold, when the server's own jobs run, and what an administrator
-- changed at run time. Each statement can be run again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0,
    'ALTER TABLE projects ADD COLUMN metadata VARBINARY(8000) NOT NULL DEFAULT '''', ADD COLUMN storage_limit BIGINT NOT NULL DEFAULT 0, ADD KEY projects_storage_limit (storage_limit, id)',
    'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'projects' AND column_name = 'storage_limit');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

CREATE TABLE IF NOT EXISTS schedules (
    id         BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    job        VARBINARY(255) NOT NULL,
    type       TEXT           NOT NULL,
    cron       TEXT           NOT NULL,
    parameters TEXT           NOT NULL,
    created_at BIGINT         NOT NULL,
    updated_at BIGINT         NOT NULL,
    UNIQUE KEY schedules_job (job)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS configurations (
    name       VARBINARY(255) NOT NULL PRIMARY KEY,
    value      TEXT           NOT NULL,
    updated_at BIGINT         NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;
