# make run    builds Prumo and starts it on its embedded database
# make test   sets up everything that the tests need, then runs all of them
# make check  what must pass before a push, in under five minutes
# The other targets stand below. Only make and Go are needed to run Prumo.

export GOFLAGS ?= -buildvcs=false
GO ?= go

.DEFAULT_GOAL := build
.PHONY: run build test check generate bench demo setup clean

run: build
	./bin/prumo serve

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/ ./cmd/...

demo: build
	./bin/prumo demo

test:
	bash tools/test.sh

check:
	bash tools/check.sh

generate:
	bash tools/generate.sh

bench:
	bash tools/bench.sh

setup:
	bash tools/setup.sh

clean:
	rm -rf bin
