package sqlstore

import (
	"context"
	"database/sql"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun/schema"
)

// dialect is all that differs between databases. Nothing outside of the file that makes one may hold SQL that only one
// database understands.
type dialect struct {
	name       string // as people know the database
	bun        func() schema.Dialect
	goose      goose.Dialect
	migrations fs.FS
	rowLocks   bool               // SELECT … FOR UPDATE is needed and understood; SQLite locks the whole database
	isolation  sql.IsolationLevel // of transactions that lock what they read
	// duplicateKey is for INSERT … ON DUPLICATE KEY UPDATE in place of ON CONFLICT … DO UPDATE.
	duplicateKey bool
	partial      bool                // an index can be of some rows alone
	rebind       func(string) string // turns the ? of a prepared statement into the database's own placeholders
	fault        func(error) fault   // what an error of the driver means

	hasTable string // a query for a number above 0 when the database has the table of that name
	lastID   string // a query for the highest id that was ever given to a row of that table; "" where nothing is copied from

	// lock keeps other processes from changing the tables until it is undone; nil where the database's own locks do.
	lock func(ctx context.Context, conn *sql.Conn) (unlock func(), err error)
	// startAfter makes the next id of an empty table a higher one than id.
	startAfter func(ctx context.Context, db *sql.DB, table, key string, id int64) error
}

// fault is what an error of a driver means to a store.
type fault int

const (
	faultOther       fault = iota
	faultDuplicate         // a unique index refused the row
	faultReference         // a foreign key points at nothing
	faultDamaged           // the database can't be read any more
	faultUnavailable       // the database is locked, full, gone or not to be written
	faultLost              // the transaction lost against another one and was undone: it may be tried again
	faultLogin             // the server refuses the user or the password
	faultNoDatabase        // the server has no such database
	faultForbidden         // the user may not do this in the database
	faultCrowded           // the server has no connection left
)

// pools are the connections to one database: write and read are the same where the database has concurrent writers.
type pools struct {
	write, read *sql.DB
}

func (p pools) close() error {
	if p.read == p.write {
		return p.write.Close()
	}
	// The reader first: SQLite moves the log into the database when the last connection goes, and a reader may not.
	return firstError(p.read.Close(), p.write.Close())
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
