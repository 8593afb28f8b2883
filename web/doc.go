// Package web owns the web pages: templates, static files, who is signed in to them and what has to be passed before
// that counts. It works without JavaScript. It decides nothing about projects, users and tokens (project does) and
// keeps no passwords: whoever signs in is asked for by the same authenticator as everywhere.
package web
