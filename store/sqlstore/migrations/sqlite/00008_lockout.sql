-- Failed logins by account, by address and by both, and the addresses that accounts signed in from. The names are those
-- that clients presented, for administrators to read; they are found by a hash, the id.

-- +goose Up
CREATE TABLE login_failures (
    id           TEXT    NOT NULL PRIMARY KEY,
    kind         TEXT    NOT NULL,
    account      TEXT    NOT NULL,
    address      TEXT    NOT NULL,
    failures     INTEGER NOT NULL,
    salt         BLOB    NOT NULL,
    tags         BLOB    NOT NULL, -- 16 bits of each of the last wrong secrets
    locked_until INTEGER NOT NULL,
    first_at     INTEGER NOT NULL,
    last_at      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX login_failures_locked ON login_failures (locked_until);
CREATE INDEX login_failures_last ON login_failures (last_at);

CREATE TABLE known_logins (
    id         TEXT    NOT NULL PRIMARY KEY, -- of the account at the address
    account    TEXT    NOT NULL,
    last_at    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX known_logins_account ON known_logins (account, last_at);
CREATE INDEX known_logins_last ON known_logins (last_at);
