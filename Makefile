# sealock: everything that is done here by hand or by CI has a target. Needed beforehand: Go, and make itself.

SHELL         := /bin/bash
.SHELLFLAGS   := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS     += --no-print-directory

BIN     := $(CURDIR)/bin
TOOLS   := $(CURDIR)/.tools/bin
SEALOCK := $(BIN)/sealock
HELPER  := $(BIN)/docker-credential-sealock
VERSION ?= $(shell git describe --tags --dirty 2>/dev/null)
LDFLAGS := -s -w $(if $(VERSION),-X main.version=$(VERSION))

# A missing tool skips its tests on a laptop, and fails in CI.
export SEALOCK_REQUIRE ?= $(if $(filter true,$(CI)),all)
# The tests of whole programs drive the binary that was built last.
export SEALOCK_E2E_BINARY := $(SEALOCK)
# A go.work above this folder is somebody else's.
export GOWORK := off

# Modules with tests or code of their own, apart so that what they need is no dependency of the program.
MODULES   := . e2e e2e/image
BENCHES   := ./auth ./policy ./project ./proxy ./internal/audit ./cmd/sealock
FUZZTIME  ?= 10m
SHORTFUZZ ?= 300x

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build sealock and run it here; ARGS="--listen :8080" for flags
	@exec $(SEALOCK) serve $(ARGS)

.PHONY: build
build: ## Build bin/sealock and bin/docker-credential-sealock, static binaries
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(SEALOCK) ./cmd/sealock
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(HELPER) ./cmd/docker-credential-sealock

.PHONY: test
test: unit ## Run all tests, with everything they need installed first
	@$(MAKE) -j2 -Oline fuzz-short e2e # whole programs wait a lot, fuzzing does not

# What is compiled as the program is need not be compiled again for it.
ALIKE := CGO_ENABLED=0 GOFLAGS='$(shell go env GOFLAGS) -trimpath'

# What does one thing after the other, for minutes if the race detector watches: the rooms that only ask others, and tests
# that hash many passwords or compare many cases. What runs on database servers is the code that it watches on SQLite. make race watches all.
INTURN   := ./api ./cmd/sealock ./store/htpasswd ./store/robotdb ./store/userdb ./web
SLOWLY   := ^(TestPostgres|TestMariaDB|TestReadChart|TestCodes|TestLifeOfPersonalTokens|TestNothingExceedsWhatMadeIt|Test.*AsTheLibrarys?)$$
SLOWLY   := $(SLOWLY)|^(TestRobotsNeverExceedTheirMaker|TestProposedChangesWork|TestIndexAgainstCasbin|TestTamperingIsNoticed)$$
SLOWLY   := $(SLOWLY)|^TestStore$$/^conditions
TOGETHER := Concurrent|AtOnce|AtMost|UnderWay|Reload|Pulls

.PHONY: unit
unit: unit-watched unit-in-turn unit-slow ## Run the unit tests and testscripts, with the race detector where things happen at once

.PHONY: unit-watched
unit-watched: packages
	CGO_ENABLED=$(call race,1,0) go test $(call race,-race) -skip '$(SLOWLY)' $$(go list ./... | grep -vxE "$$(go list $(INTURN) | paste -sd '|')")
	CGO_ENABLED=$(call race,1,0) go test $(call race,-race) -run '$(TOGETHER)' ./cmd/sealock ./store/userdb

# Scripts start the program some hundred times.
.PHONY: unit-in-turn
unit-in-turn: packages
	$(ALIKE) go test -tags noclouds $(INTURN)

.PHONY: unit-slow
unit-slow: packages
	$(ALIKE) go test -tags noclouds -run '$(SLOWLY)' ./policy ./project ./proxy/embedded ./store/sqlstore

.PHONY: race
race: packages ## Run all unit tests with the race detector; takes a quarter of an hour
	CGO_ENABLED=1 go test -race -timeout=40m ./...

# The tests of whole programs: registries and clients, the Dockerfile and the examples, a short run of the benchmarks.
# They wait for programs more than they compute: more of them at once than there are cores.
.PHONY: e2e
e2e: build tools ## Run the tests of whole programs: registries, clients, container image, examples
	cd e2e/image && $(ALIKE) go test -count=1 -timeout=10m ./...
	cd e2e && $(ALIKE) go test -short -parallel=4 -count=1 -timeout=20m ./...

.PHONY: e2e-full
e2e-full: build tools ## Run every cell of e2e/MATRIX.md, of which e2e runs the short form, each row's conformance, and the storage of all clouds
	@hack/tools.sh --for clouds
	cd e2e && go test -parallel=4 -count=1 -timeout=40m -run '^(TestClients|TestConformance|TestDrivers|TestStorage)$$' .

# What make test has the short form of. A 10 GB push needs twice that in TMPDIR.
.PHONY: soak
soak: build tools ## Pull 10,000 times under chaos, push 10 GB with cuts, and let tokens end on the way; takes half an hour
	cd e2e && SEALOCK_E2E_SOAK=1 $(ALIKE) go test -v -parallel=2 -count=1 -timeout=2h -run '^(TestFaults|TestDiskFull|TestPullsUnderChaos|TestPushIsResumed|TestPushOutlivesItsToken)$$' .

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME (10m) each
	@$(call fuzz_all,$(FUZZTIME),-fuzz .)

.PHONY: fuzz-short
# A few runs find by chance what they find: not worth compiling everything anew to watch what they cover.
fuzz-short:
	@export $(ALIKE); $(call fuzz_all,$(SHORTFUZZ),-tags noclouds)

.PHONY: bench
bench: build ## Print speed and memory beside the smallest possible server, and the Go benchmarks
	@cd e2e && go run ./bench/measure -sealock $(SEALOCK)
	@go test -run '^$$' -bench . -benchmem $(BENCHES)

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## Check layout, style and the usual mistakes
	@status=0; for module in $(MODULES); do (cd $$module && $(TOOLS)/golangci-lint run --allow-parallel-runners ./...) || status=1; done; exit $$status

.PHONY: format
format: $(TOOLS)/golangci-lint ## Format the code
	@for module in $(MODULES); do (cd $$module && $(TOOLS)/golangci-lint fmt ./...); done

.PHONY: vuln
vuln: $(TOOLS)/govulncheck ## Look for known vulnerabilities in what is linked in
	@$(TOOLS)/govulncheck ./...

.PHONY: generate
generate: ## Generate code and documents from their sources
	go generate ./...

.PHONY: tools
tools: ## Install the registries and clients that the tests drive
	@hack/tools.sh --for e2e

.PHONY: clean
clean: ## Remove what was built; data folders stay
	rm -rf $(BIN) .tools

# The linters are built once for each version that tools/lint names.
$(TOOLS)/golangci-lint $(TOOLS)/govulncheck: tools/lint/go.sum
	@echo "building $(@F), once"
	@mkdir -p $(TOOLS)
	@cd tools/lint && CGO_ENABLED=0 go build -ldflags '-s -w' -o $@ $$(go list tool | grep '/$(@F)$$')

# race yields its first argument where the race detector can run, and else the second: it needs a C compiler.
race = $(if $(shell command -v gcc),$(1),$(2))

# packages installs what Go does not bring: root gets the Debian packages, others are told.
.PHONY: packages
packages:
	@hack/tools.sh --for unit
	@missing=(); \
	command -v gcc >/dev/null || missing+=(gcc libc6-dev); \
	if [ $${#missing[@]} = 0 ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing Debian packages: $${missing[*]}"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get -q update >/dev/null; \
		apt-get -q -y install --no-install-recommends "$${missing[@]}" >/dev/null; \
	else \
		echo "please run: sudo apt-get install $${missing[*]} (gcc is for the race detector)" >&2; \
		[ -z "$$SEALOCK_REQUIRE" ]; \
	fi

# fuzz_all runs every fuzz target of the program for a time. A package with targets is compiled and linked once, and what
# fuzzing found lies where go test looks for it.
define fuzz_all
found=$$(go env GOCACHE)/fuzz; \
program=$$(mktemp -d); trap 'rm -rf "$$program"' EXIT; \
grep -rl --include='*_test.go' --exclude-dir=e2e --exclude-dir=.tools '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do \
	go test -c $(2) -o "$$program/fuzz" "$$dir"; \
	path=$$(go list "$$dir"); \
	for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$dir"/*_test.go); do \
		echo "fuzzing $$dir $$target for $(1)"; \
		(cd "$$dir" && "$$program/fuzz" -test.paniconexit0 -test.timeout 0 -test.run '^$$' -test.fuzz "^$$target\$$" \
			-test.fuzztime $(1) -test.fuzzcachedir "$$found/$$path" </dev/null); \
	done; \
done
endef
