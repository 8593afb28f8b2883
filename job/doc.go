// Package job owns what jobs are told to do: which registries there are to copy from and to, and what makes a policy of
// replication, retention or webhooks a sound one. It asks a registry whether it is there, and copies nothing. It does not
// own who may tell a job what (project), nor how a policy is kept (store).
package job
