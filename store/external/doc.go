// Package external owns users that another program answers for, asked over HTTP or started for each question: what it
// is asked, what it may answer, and the [auth.Authenticator] over it. docs/sources.md has the contract.
package external
