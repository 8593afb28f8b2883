// Package e2e proves sealock with what people really use: stock registries, real
// clients, a real engine.
//
// It owns no behaviour of its own: everything in it starts programs, watches what a
// user would see, and ends what it started. MATRIX.md says what is tried with what.
// hack/tools.sh installs the programs.
package e2e
