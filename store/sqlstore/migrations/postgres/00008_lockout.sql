-- Failed logins by account, by address and by both, and the addresses that accounts signed in from. The names are those
-- that clients presented, for administrators to read; they are found by a hash, the id.

-- +goose Up
CREATE TABLE login_failures (
    id           TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    kind         TEXT   COLLATE "C" NOT NULL,
    account      TEXT   COLLATE "C" NOT NULL,
    address      TEXT   COLLATE "C" NOT NULL,
    failures     BIGINT NOT NULL,
    salt         BYTEA  NOT NULL,
    tags         BYTEA  NOT NULL, -- 16 bits of each of the last wrong secrets
    locked_until BIGINT NOT NULL,
    first_at     BIGINT NOT NULL,
    last_at      BIGINT NOT NULL
);
CREATE INDEX login_failures_locked ON login_failures (locked_until);
CREATE INDEX login_failures_last ON login_failures (last_at);

CREATE TABLE known_logins (
    id         TEXT   COLLATE "C" NOT NULL PRIMARY KEY, -- of the account at the address
    account    TEXT   COLLATE "C" NOT NULL,
    last_at    BIGINT NOT NULL
);
CREATE INDEX known_logins_account ON known_logins (account, last_at);
CREATE INDEX known_logins_last ON known_logins (last_at);
