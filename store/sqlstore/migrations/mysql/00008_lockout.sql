-- Failed logins by account, by address and by both, and the addresses that accounts signed in from. The names are those
-- that clients presented, for administrators to read; they are found by a hash, the id.

-- +goose Up
CREATE TABLE IF NOT EXISTS login_failures (
    id           VARBINARY(64)   NOT NULL PRIMARY KEY,
    kind         VARBINARY(20)   NOT NULL,
    account      VARBINARY(1020) NOT NULL,
    address      VARBINARY(100)  NOT NULL,
    failures     BIGINT          NOT NULL,
    salt         VARBINARY(32)   NOT NULL,
    tags         VARBINARY(64)   NOT NULL, -- 16 bits of each of the last wrong secrets
    locked_until BIGINT          NOT NULL,
    first_at     BIGINT          NOT NULL,
    last_at      BIGINT          NOT NULL,
    KEY login_failures_locked (locked_until),
    KEY login_failures_last (last_at)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS known_logins (
    id      VARBINARY(64)   NOT NULL PRIMARY KEY, -- of the account at the address
    account VARBINARY(1020) NOT NULL,
    last_at BIGINT          NOT NULL,
    KEY known_logins_account (account, last_at),
    KEY known_logins_last (last_at)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ROW_FORMAT = DYNAMIC;
