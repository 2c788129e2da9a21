// Package store is the only place with SQL. It keeps everything in one
// database: SQLite in a file of the data folder by default, PostgreSQL where
// one machine is not enough. The text of a statement is the same on both, with
// $1 placeholders; what differs lives in dialect.go and nowhere else.
//
// Start at Open, then DB.Write and DB.Read:
//
//	err := db.Write(ctx, func(tx *store.Tx) error {
//		_, err := tx.Exec(ctx, "UPDATE policy SET title = $1 WHERE id = $2", title, id)
//		return err
//	})
//
// Write runs one transaction on the only writing connection: fn must be quick,
// must not call Write again, and must not talk to the network; an error or a
// panic rolls back. Read gives fn a snapshot on a connection that cannot write.
// A long read holds the write-ahead log, so lists and exports read in pieces.
//
// The sub-packages (store/alertstore and so on) hold the statements of one
// area each, over a *DB. An area adds its tables as migrations/NNNN_name.sql:
// 0001–0099 belong to the heart, 0100–0199 to alerts, 0200–0299 to people who
// sign in, their tokens and sessions, 0300 and up to the other areas. In a
// migration {{id}} is the type of an integer primary key and {{blob}} the type
// of bytes. A migration must suit the release before.
//
// Rules for every statement: list the columns, bind every value, times are
// integer microseconds (Micros, Time), booleans are SMALLINT 0 or 1, no enum
// type, no = ANY, no ILIKE, no FOR UPDATE (Tx.Lock does what it would do).
package store
