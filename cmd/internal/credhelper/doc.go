// Package credhelper owns the docker credential helper: the protocol that docker and its friends speak with it, the file
// where it keeps refresh tokens, and its own logins. It never keeps a password: one that it is handed is exchanged at once
// for a refresh token, which the server can revoke.
package credhelper
