// Package policy owns what subjects may do: the policy file, the rules in it and the decision they lead to. It is the
// only place that knows casbin. It does not know who is a member of a project (it asks through [Membership], anew for
// each request), nor who is asking (auth), and it writes no audit record: it hands the reason to whoever does.
//
// casbin decides; the cache in front of it belongs to one loaded policy and is dropped with it, and memberships are a
// part of its key, so that neither a reload nor a removed member ever meets an old answer.
package policy
