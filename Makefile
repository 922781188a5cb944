# What one needs to work on driftpin. The README tells of the first two.

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0
FUZZTIME ?= 15s
TESTDATA = ./testdata/bench ./testdata/benchdrift ./testdata/drift ./testdata/gitserver ./testdata/hub ./testdata/standin # ./... passes over them
LDFLAGS = -s -w -X github.com/moby/buildkit/version.Version=$(shell go list -m -f '{{.Version}}' github.com/moby/buildkit)

.PHONY: demo check test test-hub soak bench bench-drift build deps testdeps format lint fuzz vuln clean

demo: deps build   ## build stat159 and data100, verify both, show their drift
	go run ./testdata/standin sh testdata/demo.sh

check:             ## what a change must pass before it is looked at: no apt-get, no network, under two minutes
	$(MAKE) --no-print-directory format
	go vet ./... $(TESTDATA)
	sh testdata/scripts.sh
	go test -short ./...

test: testdeps lint    ## all tests, with real builds and the real index
	go test -race -short -shuffle=on -timeout 20m ./...
	go test -run '^TestBombs$$' ./images/layers
	go test -shuffle=on -timeout 60m ./cmd/driftpin

test-hub: deps build  ## real hubs launch what driftpin built, and two browsers work in it together; makes the demo's images first
	sh testdata/hub/deps.sh
	go run ./testdata/standin sh testdata/hub/images.sh
	go test -count=1 -timeout 20m -parallel 3 -v ./testdata/hub >build/hub/test.log 2>&1 || { cat build/hub/test.log; exit 1; }
	@cat build/hub/test.log; ! grep -q -F -f testdata/hub/secrets.txt build/hub/test.log || { echo "the tests' log tells a secret"; exit 1; }

soak: deps         ## interrupt locks and builds at 30 random moments each, gently and not
	DRIFTPIN_SOAK=30 go test -count=1 -timeout 4h -v -run '^TestInterruptions$$' ./cmd/driftpin

bench: deps build  ## driftpin beside a Dockerfile with pip, and with uv; BENCH=-growth, -runs 3
	sh testdata/base.sh
	go run ./testdata/bench $(BENCH)

bench-drift: deps build  ## driftpin beside the peers that are on PATH, on two images of 1.1 GB; BENCH=-only layouts, -runs 5
	sh testdata/base.sh
	go run ./testdata/benchdrift $(BENCH)

build: bin/driftpin

.PHONY: bin/driftpin
bin/driftpin:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/driftpin

testdeps:          ## install what the tests take besides: linters of scripts, node, and a Python with what tests compare with
	sh testdata/deps.sh $(shell sh testdata/missing.sh)

deps:              ## install the programs that building needs, where they are missing
	sh testdata/deps.sh

format:
	@wrong=$$(find . -path ./build -prune -o -name '*.go' -exec gofmt -l {} +); test -z "$$wrong" || { echo "not gofmt'd: $$wrong"; exit 1; }

lint: format
	go mod tidy -diff
	go vet ./... $(TESTDATA)
	sh testdata/scripts.sh
	go run $(STATICCHECK) ./... $(TESTDATA)

fuzz:              ## each fuzz target for $(FUZZTIME)
	sh testdata/fuzz.sh $(FUZZTIME)

vuln:
	go run $(GOVULNCHECK) ./...

clean:
	rm -rf bin build
