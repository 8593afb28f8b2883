-- What people prove who they are with besides a password. users.second_factor says whether there is any that counts: it
-- is read with the user, so that a login asks for nothing more. Each statement can be run again.

-- +goose Up
SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE users ADD COLUMN second_factor BOOLEAN NOT NULL DEFAULT FALSE', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'users' AND column_name = 'second_factor');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

CREATE TABLE IF NOT EXISTS second_factors (
    user_id        BIGINT  NOT NULL PRIMARY KEY,
    totp_secret    TEXT    NOT NULL,
    totp_since     BIGINT  NOT NULL,
    totp_step      BIGINT  NOT NULL,
    recovery_codes TEXT    NOT NULL,
    failures       INTEGER NOT NULL,
    failed_at      BIGINT  NOT NULL,
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

-- The id of a credential is at most 1023 bytes long (WebAuthn, section 4).
CREATE TABLE IF NOT EXISTS passkeys (
    id           BIGINT          NOT NULL AUTO_INCREMENT PRIMARY KEY,
    credential   VARBINARY(1023) NOT NULL,
    user_id      BIGINT          NOT NULL,
    name         TEXT            NOT NULL,
    record       MEDIUMTEXT      NOT NULL,
    created_at   BIGINT          NOT NULL,
    last_used_at BIGINT          NOT NULL,
    UNIQUE KEY passkeys_credential (credential),
    KEY passkeys_user (user_id, id),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;
