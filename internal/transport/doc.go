// Package transport owns how connections reach this server: sockets and their hand-over to the process that comes next,
// handshakes and the certificates that are shown, where one request ends and the next begins, and the pace that a body has to
// keep. It knows nothing of what is asked for.
package transport
