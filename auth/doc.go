// Package auth owns who is asking and the token that says so: the scope grammar, the chain of user sources, the claim
// set, signing keys, the token end-point (GET and OAuth 2.0), refresh tokens and challenges. It is the leaf of the
// import graph and owns the vocabulary that all other packages speak. It does not know where users come from (store),
// nor what they may do (policy).
package auth
