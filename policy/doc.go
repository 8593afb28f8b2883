// Package policy owns what subjects may do: the policy file, the rules in it and the decision they lead to. It is the
// only place that knows casbin. It does not know who is a member of a project (it asks through [Membership], anew for
// each request), nor who is asking (auth), and it writes no audit record: it hands the reason to whoever does.
//
// casbin says what the rules mean. What it would say is compiled into an index on loading, because casbin reads all rules
// for each question; a test holds one against the other. Nothing is remembered between two questions, so that neither a
// reload nor a removed member ever meets an old answer.
package policy
