# Penstock. `make` lists the targets. Needed: Go, a C compiler, make and npm; nothing is installed outside this folder,
# and no target needs root.
.DEFAULT_GOAL := help
.PHONY: help run build onnxruntime test race lint fmt bench bench-engines promises chaos chaos-long power-cut docs docs-check clean need-go need-cc

GO ?= go
# Linters have their own module, so that their dependencies are not ours. The first use builds them, some minutes.
LINT := $(GO) tool -modfile=deploy/dev/tools/go.mod golangci-lint
PROGRESS := deploy/dev/progress
# Tests and benchmarks find the library by this.
WITH_LIBRARY := PENSTOCK_ONNXRUNTIME="$$(deploy/onnxruntime/fetch)" && export PENSTOCK_ONNXRUNTIME && CGO_ENABLED=1

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

run: onnxruntime build ## start gateway and worker for development; Ctrl-C stops them
	@exec bin/dev

build: need-go need-cc ## build bin/gateway, bin/worker and bin/dev
	@$(PROGRESS) "building bin/gateway" env CGO_ENABLED=0 $(GO) build -trimpath -o bin/gateway ./gateway/cmd/gateway
	@$(PROGRESS) "building bin/worker" env CGO_ENABLED=1 $(GO) build -trimpath -o bin/worker ./worker/cmd/worker
	@$(PROGRESS) "building bin/dev" env CGO_ENABLED=0 $(GO) build -trimpath -o bin/dev ./deploy/dev

onnxruntime: ## fetch the pinned ONNX Runtime into data/onnxruntime
	@deploy/onnxruntime/fetch >/dev/null

test: onnxruntime build ## run all tests, on free ports and in temporary folders
	@$(WITH_LIBRARY) $(GO) test -timeout 8m ./...

race: onnxruntime build ## run all tests under the race detector
	@$(WITH_LIBRARY) $(GO) test -race -timeout 15m ./...

lint: need-go ## check style and the arrows between packages
	@$(PROGRESS) "linting (the first time builds the linters, some minutes)" $(LINT) run ./...

fmt: need-go ## format the code
	@$(LINT) fmt ./...

bench: onnxruntime build ## run the benchmarks of deploy/docs/benchmarks.md (minutes; wants an idle machine)
	@$(WITH_LIBRARY) $(GO) run ./loadtest bench

bench-engines: onnxruntime ## run the benchmarks of the engines, of tokenizers and of pictures (minutes; wants an idle machine)
	@$(WITH_LIBRARY) && $(GO) test -run '^$$' -bench . -p 1 ./worker/internal/... ./shared/input

promises: build ## measure fairness and what else the queue promises on both processes (half an hour; wants an idle machine)
	@$(GO) run ./loadtest/promises $(PROMISES)

chaos: onnxruntime build ## kill processes under load, and look for jobs lost or ended twice (about 2 minutes; prints its seed)
	@$(WITH_LIBRARY) $(GO) run ./loadtest/chaos -onnxruntime "$$PENSTOCK_ONNXRUNTIME" -kills 40 -d 90s $(CHAOS)

chaos-long: onnxruntime build ## the same with 1,000 kills (about 20 minutes), as deploy/docs/chaos.md reports it
	@$(WITH_LIBRARY) $(GO) run ./loadtest/chaos -onnxruntime "$$PENSTOCK_ONNXRUNTIME" -kills 1000 $(CHAOS)

power-cut: onnxruntime build ## cut the power of the durable queue, and look for jobs lost (seconds; Linux with /dev/fuse)
	@$(WITH_LIBRARY) $(GO) run ./loadtest/powercut $(POWERCUT)

docs: need-go ## write deploy/docs/configuration.md from the configuration structs
	@$(GO) run ./deploy/dev/confdoc deploy/docs/configuration.md

docs-check: need-go ## fail when deploy/docs/configuration.md is not what `make docs` writes
	@$(GO) run ./deploy/dev/confdoc -check deploy/docs/configuration.md

clean: ## remove what was built; what was kept in data/ stays
	rm -rf bin

need-go:
	@command -v $(GO) >/dev/null 2>&1 || { \
		echo "Go is not here. Install Go 1.26 or newer (https://go.dev/dl/) and try again." >&2; exit 1; }

need-cc: need-go
	@cc=$$($(GO) env CC); command -v $${cc%% *} >/dev/null 2>&1 || { \
		echo "The C compiler $$cc is not here, and the worker needs one for ONNX Runtime." >&2; \
		echo "Install gcc or clang, or name yours: make CC=clang." >&2; exit 1; }
