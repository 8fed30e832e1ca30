# `make help` lists what there is.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0-dev)
COMMIT ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null)
PACKAGES ?= $(shell go list ./... | grep -v /test/)
FUZZTIME ?= 2m
RUNS ?= 5

# The modules besides the server's, in the order in which they need each other.
MODULES = client client/clienttest examples/inventory

.DEFAULT_GOAL := help

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build and start Roster; with DATABASE_URL on that database, else with one of its own in .roster
	@exec bin/roster serve --setup

.PHONY: build
build: ## Build bin/roster, static
	@CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)' -o bin/roster ./cmd/roster

.PHONY: test
test: ## Run every test, with the race detector, over a PostgreSQL started for the run
	@GORACE=atexit_sleep_ms=0 go run ./internal/postgrestest/run sh -ec '\
		go test -race -shuffle=on -timeout 30m $(TESTFLAGS) $(PACKAGES); \
		for module in $(MODULES); do (cd $$module; go test -race -shuffle=on -timeout 30m $(TESTFLAGS) ./...); done'

.PHONY: test-stress
test-stress: ## Run every test RUNS times (5) on a busy machine, every other time on one processor
	@.ci/stress $(RUNS)

# What is below test/ runs programs that are no part of Roster and takes its time;
# each folder has a target, which .ci/run calls.
OUTSIDE = go run ./internal/postgrestest/run go test -race -count=1 -timeout 30m

.PHONY: test-oidc
test-oidc: ## Take tokens of a real OpenID Connect provider to Roster; needs node and npm
	@$(OUTSIDE) ./test/oidc

.PHONY: test-upgrade
test-upgrade: ## Serve one database from release 1.0.0, built from git, and from this tree
	@$(OUTSIDE) ./test/upgrade

.PHONY: test-postgres
test-postgres: ## Migrate and store on PostgreSQL 16, 17 and 18; needs node, npm and Linux on x86-64
	@test/postgres/run.sh

# Both are tests of cmd/roster, which skips them otherwise.
.PHONY: test-pgbouncer
test-pgbouncer: ## Serve through PgBouncer, which must be installed: query modes, faults, crashes
	@PATH="$$PATH:/usr/sbin" TEST_PGBOUNCER=1 go test -race -count=1 -v -timeout 30m -run TestPgBouncer ./cmd/roster

.PHONY: test-failover
test-failover: ## Restart, kill and promote replicating PostgreSQL servers under load; tells how long callers wait
	@TEST_FAILOVER=1 go test -race -count=1 -v -timeout 30m -run TestFailover ./cmd/roster

.PHONY: generate
generate: ## Make the generated code again from openapi.yaml
	go generate ./gen

.PHONY: check
check: check-generated check-spec lint test vuln ## All that CI runs, without the slow suites of test/

.PHONY: check-generated
check-generated: ## Fail when the generated code is not what openapi.yaml makes
	@.ci/generated

.PHONY: check-spec
check-spec: ## Fail when openapi.yaml breaks what its version promises, or spec/CHANGELOG.md lacks the version
	@go run ./spec/check

.PHONY: check-upstream
check-upstream: ## List members of the newest Auth0 SDKs that openapi.yaml lacks; needs npm
	@test/sdk/upstream/run.sh

.PHONY: release-spec
release-spec: check-spec ## Release openapi.yaml under its version: later changes are compared with it
	@cp openapi.yaml spec/released.yaml
	@sed -i.old "s/^\(## \[.*\]\) - Unreleased$$/\1 - $$(date -u +%F)/" spec/CHANGELOG.md && rm spec/CHANGELOG.md.old
	@git status --short spec

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, go.mod
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "not as gofmt writes it:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	go build -o bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	bin/staticcheck ./...
	go mod tidy -diff
	set -e; for module in $(MODULES); do (cd $$module; go vet ./...; $(CURDIR)/bin/staticcheck ./...; go mod tidy -diff); done

.PHONY: test-modules
test-modules: ## Build each module by itself, and install the program as a release from a file proxy
	@.ci/modules

.PHONY: import-test
import-test: ## Import 100,000 clients twice; tells time and CPU
	TEST_IMPORT=100000 go run ./internal/postgrestest/run go test -v -count=1 -timeout 1h -run TestManyClientsAreImported ./cmd/roster

.PHONY: vuln
vuln: ## Look for known vulnerabilities in what is called; needs https://vuln.go.dev
	@.ci/vuln

.PHONY: fuzz
fuzz: ## Run each fuzz test for FUZZTIME (2m)
	@.ci/fuzz $(FUZZTIME)

.PHONY: fuzz-short
fuzz-short: ## Run each fuzz test for 5 seconds, and the properties of requests more often than make test does
	@.ci/fuzz 5s
	@go run ./internal/postgrestest/run go test -count=1 -timeout 30m ./server/auth0 ./server/boruta ./internal/registry \
		-run 'TestAnyChangesFollowTheMergeRules|TestDialectsKeepWhatTheOtherOwns|TestNoCallerComesToControlMoreThanItHas' \
		-rapid.checks=200

.PHONY: bench
bench: ## Run the benchmarks; of-limit compares requests with the least that a service must do
	go run ./internal/postgrestest/run go test -run '^$$' -bench . -benchmem $(PACKAGES)

.PHONY: bench-plans
bench-plans: ## Check that no list's plan grows, with 1,000,000 clients
	TEST_PLANS=1000000 go run ./internal/postgrestest/run go test -v -count=1 -timeout 1h -run TestPlansDoNotGrow ./internal/postgres

.PHONY: compose-secrets
compose-secrets: build ## Make the keyset and the passwords that docker-compose.yml hands over, in secrets/
	@deploy/compose-secrets

.PHONY: clean
clean: ## Remove what was built; the data in .roster stays
	rm -rf bin
