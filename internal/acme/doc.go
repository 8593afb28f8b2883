// Package acme owns the certificates that a CA gives by itself (RFC 8555): it proves to the CA that this server has its
// names, keeps what it gets in a folder, and gets new ones in time. What is shown without one, it does not know.
package acme
