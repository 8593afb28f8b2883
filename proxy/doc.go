// Package proxy owns the front door of the registry: it reads what a request under /v2/ asks for (route), lets it in or
// says why not (gate), and passes it on unchanged to the upstream registry that it is for (several, forward). Blobs are never
// buffered. What stock registries lack, such as referrers and pages of tags, is answered here. It does not know who somebody is
// or what they may do (auth, policy), and it keeps nothing: the upstream does.
package proxy
