# Penstock: events through Kinesis into hour files on S3, each hour processed once on EMR.
SHELL := /bin/bash
.DEFAULT_GOAL := help
DATA ?= data
INPUT ?=
CLOCK ?=
FORMAT ?= json
SEED ?= 1
FUZZ ?= 10s
ARGS ?=
export CGO_ENABLED ?= 0

.PHONY: help run test check fmt vet staticcheck arrows bench fuzz clean bin

help: ## this text
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bin: ## build the command line tools into bin/
	@go build -trimpath -o bin/ ./cmd/...

run: bin ## run a day (or INPUT=file.ndjson [CLOCK=field] [FORMAT=text] [DATA=dir]) through the whole path
	@bin/penstock run $(INPUT) --data $(DATA) $(if $(CLOCK),--clock $(CLOCK)) --format $(FORMAT) --seed $(SEED) $(ARGS)

test: ## everything that needs no server, with the race detector
	CGO_ENABLED=1 go tool gotestsum --format pkgname-and-test-fails --hide-summary output -- -race -p 4 -timeout 10m ./...

check: fmt vet staticcheck arrows test ## formatting, vet, staticcheck, import arrows, tests

fmt: ## refuse files that gofmt would change
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "gofmt: $$out"; exit 1; }

vet: ## go vet
	go vet ./...

staticcheck: ## honnef.co/go/tools, at the version in go.mod
	go tool staticcheck ./...

arrows: ## the import arrows of DESIGN section 3
	go test -count=1 ./tests/arrows

fuzz: ## every fuzz target for FUZZ (10s) each
	@for pkg in $$(git grep -l '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' $$pkg/*_test.go); do \
			echo "fuzz: ./$$pkg $$name" && go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZ) -fuzzminimizetime 1x ./$$pkg || exit 1; \
		done; \
	done

bench: ## the gates of docs/PERFORMANCE.md as ratios of one interleaved run
	go run ./tests/bench

clean: ## remove what was built; data directories stay
	rm -rf bin dist

-include build.mk engines.mk
