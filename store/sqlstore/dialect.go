package sqlstore

import (
	"database/sql"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun/schema"
)

// dialect is all that differs between databases. Nothing outside of the file that makes one may hold SQL that only one
// database understands.
type dialect struct {
	bun        func() schema.Dialect
	goose      goose.Dialect
	migrations fs.FS
	rowLocks   bool                // SELECT … FOR UPDATE is needed and understood; SQLite locks the whole database
	rebind     func(string) string // turns the ? of a prepared statement into the database's own placeholders
	fault      func(error) fault   // what an error of the driver means
}

// fault is what an error of a driver means to a store.
type fault int

const (
	faultOther       fault = iota
	faultDuplicate         // a unique index refused the row
	faultReference         // a foreign key points at nothing
	faultDamaged           // the database can't be read any more
	faultUnavailable       // the database is locked, full, gone or not to be written
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
