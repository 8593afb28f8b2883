// Package httpx owns how sealock looks on the wire at its edge: errors in each dialect's words, request ids, the
// client's address and the origin behind trusted proxies, and the answer to TLS and plain HTTP that meet on the wrong
// port. It decides nothing about who may do what.
package httpx
