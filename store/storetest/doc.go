// Package storetest owns the proof that a store is one: the suite that every implementation of [store.Store] passes.
// It does not know how a store keeps its records, and asks for nothing but what the interface promises.
package storetest
