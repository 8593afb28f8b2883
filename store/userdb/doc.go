// Package userdb owns the users of the database as a source of users: how a password becomes a hash, what a password
// and a user name may look like, and the [auth.Authenticator] over both. It does not keep the records (store does), nor
// remember that a password was right a moment ago (auth does).
package userdb
