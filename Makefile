# Every target has a line of doc: `make help` prints them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
UP ?= deploy/samples/practice-3.yaml
.PHONY: help local test e2e pictures images node node-down kind kind-down crd docs

# needs.sh names bash when it is missing, so the shell of its targets is not bash.
local pictures: SHELL := /bin/sh
local pictures: .SHELLFLAGS := -eu -c

help: ## Prints this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | column -t -s "$$(printf '\t')"

local: ## Runs practice 3 on this machine, without a cluster: the live view is on http://127.0.0.1:8080; another one with UP="deploy/samples/practice-5.yaml --kafka apache --brokers 3"
	@local/needs.sh $(UP)
	@cargo build --profile local --package practice-local
	@"$${CARGO_TARGET_DIR:-target}/local/practice-local" up $(UP)

test: ## Everything that has to be true: format, lints, docs, unit and integration tests, chart, the short end-to-end run
	@.ci/test

e2e: ## The tests, then the long scenarios on the node, and the table of figures
	@.ci/test long

pictures: ## Takes the screenshots in docs/pictures again, of practices 1 to 3 as they run on this machine; needs Node and Debian's Chromium
	@local/needs.sh
	@cargo build --package practice-local
	@cd crates/view/page-tests && { [ -d node_modules ] || npm ci; } && npm run --silent product-pictures

images: ## Builds the images of operator, worker and producer, and loads them into the node (or kind) that is up
	@deploy/images/build.sh

node: ## Brings up a Kubernetes node and Kafka without Docker; use it as eval "$$(make -s node)"; KAFKA_BROKERS=3 for three brokers
	@deploy/node/setup.sh all >&2
	@deploy/node/node.sh up

node-down: ## Ends the node and leaves nothing behind
	@deploy/node/node.sh down

kind: ## Brings up a kind cluster with Strimzi, Kafka, the chart and practice 3; needs Docker with buildx, kind, kubectl, helm, jq; KAFKA_BROKERS=3 for three brokers
	@deploy/kind/up.sh

kind-down: ## Ends the kind cluster
	@deploy/kind/down.sh

crd: ## Writes the chart's CRD from the code
	@cargo run --quiet --package practice-operator -- crd >charts/consumer-group-practice/files/crd.yaml

docs: ## Writes the tables of docs/metrics.md from the code, and docs/practices from lessons/
	@UPDATE_DOCS=1 cargo test --quiet --workspace --locked --lib --test it -- --test-threads=1 docs_have_each
