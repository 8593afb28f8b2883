package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// HashSize is how long the hash of a record is, in bytes.
const HashSize = sha256.Size

// Link is a record's place in a chain: each hash covers the record and the hash before it, so that a record that is
// changed or gone breaks the chain. The zero value is no place.
type Link struct {
	Chain int64  // which chain; each server that runs writes one of its own
	Seq   int64  // counts from 1
	Hash  string // in hexadecimal
}

// Key is what hashes and seals are made with, so that nobody can make them up who can only write to the database. The
// zero value is a key that everybody knows.
type Key struct {
	ID    string // tells the keys of a server apart
	Bytes []byte
}

// Keys are the keys of a server, the one for new chains last.
type Keys []Key

// Newest returns the key for new chains.
func (k Keys) Newest() Key {
	if len(k) == 0 {
		return Key{}
	}
	return k[len(k)-1]
}

// Find returns the key with the id. The key that everybody knows is none where there are others.
func (k Keys) Find(id string) (Key, bool) {
	for _, key := range k {
		if key.ID == id {
			return key, true
		}
	}
	return Key{}, id == "" && len(k) == 0
}

// Next returns the link of a record that follows at. The record's ID does not count: it is not known yet.
func (k Key) Next(at Link, r Record) Link {
	next := Link{Chain: at.Chain, Seq: at.Seq + 1}
	next.Hash = k.sum("record", []int64{next.Chain, next.Seq, r.Time.UnixMicro()}, at.Hash, r.RequestID, r.Actor, r.Method, r.Remote, r.Operation,
		r.Resource, string(r.Outcome), r.Reason, r.JTI, r.Project)
	return next
}

// Sign vouches for what stands beside the records: the head of a chain, the last record that was dropped from its start,
// and how many chains there are. what says which of them.
func (k Key) Sign(what string, numbers []int64, texts ...string) string {
	return k.sum(what, numbers, texts...)
}

// Signed reports whether the signature is that of the same.
func (k Key) Signed(signature, what string, numbers []int64, texts ...string) bool {
	return hmac.Equal([]byte(signature), []byte(k.sum(what, numbers, texts...)))
}

// sum hashes texts and numbers so that no two lists of them are hashed as the same bytes.
func (k Key) sum(what string, numbers []int64, texts ...string) string {
	mac := hmac.New(sha256.New, k.Bytes)
	size := len(what) + 16 + 8*len(numbers)
	for _, t := range texts {
		size += 8 + len(t)
	}
	buffer := make([]byte, 0, size)
	add := func(s string) {
		buffer = binary.BigEndian.AppendUint64(buffer, uint64(len(s)))
		buffer = append(buffer, s...)
	}
	add(what)
	for _, n := range numbers {
		buffer = binary.BigEndian.AppendUint64(buffer, uint64(n)) //nolint:gosec // the bits are what counts
	}
	for _, t := range texts {
		add(t)
	}
	mac.Write(buffer)
	var hash [HashSize]byte
	return hex.EncodeToString(mac.Sum(hash[:0]))
}

// ProjectOf returns the project whose trail a record belongs to, or "": what was done to the project, its members, its
// robots and its repositories. Tokens belong to none: one can be for several projects, and what is done with it is on
// record by itself.
func ProjectOf(operation, resource string) string {
	kind, name, ok := strings.Cut(resource, ":")
	if !ok || operation == "token" {
		return ""
	}
	switch kind {
	case "project":
		if name, _, ok = strings.Cut(name, "/"); ok && operation == "project.create" {
			return "" // no project is called so: somebody tries
		}
	case "repository", "artifact", "tag":
		if name, _, ok = strings.Cut(name, "/"); !ok {
			return ""
		}
	default:
		return ""
	}
	return name
}
