// Package ldap owns users that come from a directory (OpenLDAP, Active Directory and the like): how it is reached, how
// a user and the groups are found, and the [auth.Authenticator] over it. Nothing is sent to a server before its
// certificate is verified, and it writes nothing.
package ldap
