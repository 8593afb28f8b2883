// Package oidc is a source of users who sign in at an OpenID Connect provider, in the browser. It has no passwords: for
// clients, these people make personal access tokens. It keeps who they are at the provider, and asks the provider again
// where it may; it makes no users and shows no pages (cmd/sealock and web do).
package oidc
