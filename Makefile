# telcol: `make help` lists what there is.

GO          ?= go
BIN         := bin/telcol
MODULE      := github.com/telcol/telcol
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS     := -s -w -X main.version=$(VERSION)

# How long each fuzz target runs: `make fuzz` is for a night, the short one is part of `make test`.
FUZZTIME       ?= 10m
FUZZTIME_SHORT ?= 5s

DEMO_FLAGS ?=
BENCH      ?= .
BENCH_PKGS ?= ./...

# The linters are pinned here and not in go.mod, which stays the list of what telcol itself needs.
STATICCHECK   := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# The compiler whose output is committed: Debian 12's. Another version gives other bytes.
CLANG         := clang-14
CLANG_VERSION := 14.0.6

.DEFAULT_GOAL := help

##@ Build

.PHONY: help
help: ## Say what can be made
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## Build the static binary, bin/telcol
	CGO_ENABLED=0 $(GO) build -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/telcol

.PHONY: generate
generate: ## Compile bpf/ into the objects and Go types of steering/ (needs clang)
	$(GO) generate ./steering

.PHONY: check-generate
check-generate: ## Compile bpf/ again and compare with what is committed
	@GO='$(GO)' .ci/check-generate $(CLANG) $(CLANG_VERSION)

.PHONY: clean
clean: ## Remove what was built and fetched here, stop the Kafka of kafka-up
	@deploy/kafka-rig/rig.sh down
	rm -rf bin .cache

##@ Check

.PHONY: test
test: ## Run all tests: units, live steering, real Kafka where Java and Maven are, short fuzz runs, demo
	@GO='$(GO)' FUZZTIME='$(FUZZTIME_SHORT)' .ci/test

.PHONY: vet
vet: ## Check formatting and run go vet (seconds)
	@unformatted=$$(gofmt -l .); \
		if [ -n "$$unformatted" ]; then echo "gofmt -w is due for:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...

.PHONY: lint
lint: vet ## Run vet, staticcheck and golangci-lint (the first time builds both: minutes)
	$(GO) run $(STATICCHECK) ./...
	$(GO) run $(GOLANGCI_LINT) run ./...

.PHONY: check
check: lint check-generate test ## Run everything that should pass before handing work over

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10m)
	@GO='$(GO)' FUZZTIME='$(FUZZTIME)' .ci/fuzz

.PHONY: bench
bench: ## Run the benchmarks; BENCH=regexp and BENCH_PKGS=./ipfix narrow them
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(BENCH_PKGS)

.PHONY: bench-compare
bench-compare: ## Measure decoding beside goflow2 and go-ipfix, with the same octets (a module of its own)
	cd ipfix/compare && $(GO) test -run '^$$' -bench '$(BENCH)' -benchmem

##@ Run

.PHONY: demo
demo: build ## Show the whole of telcol on this machine (root for steering); DEMO_FLAGS='--for 20s'
	@$(BIN) demo $(DEMO_FLAGS)

.PHONY: kafka-up
kafka-up: ## Start a real Kafka on loopback (needs Java 17 and Maven)
	@deploy/kafka-rig/rig.sh up

.PHONY: kafka-down
kafka-down: ## Stop that Kafka
	@deploy/kafka-rig/rig.sh down
