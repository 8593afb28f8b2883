// Package htpasswd owns users that come from a file as Apache's htpasswd makes it: what such a file may hold, that it
// is read again when it changes, and the [auth.Authenticator] over it. It takes bcrypt hashes only.
package htpasswd
