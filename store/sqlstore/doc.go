// Package sqlstore owns the store that keeps its records in an SQL database: one query code, and for each database a
// file that says how to open it, what its errors mean and how its tables are made. It does not know what the records
// are for, nor whether a change is allowed (project does).
package sqlstore
