// Package robotdb owns robot accounts as credentials: how their names are written, what their secrets look like and how
// they are kept, and the [auth.Recognizer] over both. It does not keep the records (store does), nor say what a robot
// may be given and by whom (project does).
package robotdb
