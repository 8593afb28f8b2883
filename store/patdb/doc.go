// Package patdb owns who presents a personal access token, and what that leaves of its user. Making and revoking them is
// the project service's.
package patdb
