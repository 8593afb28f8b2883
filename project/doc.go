// Package project owns the project service: the rules about projects, members, users and refresh tokens that hold
// whoever calls, and the look-up of memberships for the policy. Each operation asks the policy, records the decision
// and acts, in this order and in one function: what can't be recorded does not happen. It does not own what may be done
// by whom (policy), how a record is kept (store), nor how a request is read and answered (api).
package project
