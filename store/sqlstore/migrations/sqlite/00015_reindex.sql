-- How the walk through the registry that fills the index stands: one row, in JSON.

-- +goose Up
CREATE TABLE reindex (
    id     INTEGER PRIMARY KEY,
    record TEXT    NOT NULL
);
