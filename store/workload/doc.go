// Package workload owns the trust in other issuers: which JWTs of CI jobs and pods stand for which subject, by the
// rules of the settings. It keeps nothing of who came, and gives no right of its own: a rule names the roles.
package workload
