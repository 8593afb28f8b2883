// Package api owns the REST API as it looks on the wire: the OpenAPI document, who a request comes from, how bodies,
// lists and errors read and are written. It holds no rules about users and projects (project does), grants nothing
// (policy does), and keeps nothing.
//
// The document comes first: openapi.yaml says what there is, package gen is the server that is made of it and package
// client the client. A route that is not in the document can't be registered.
package api
