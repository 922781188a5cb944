# driftpin's own image, for CI jobs: a static binary, and what building needs.
#   docker build -t driftpin . && docker run --privileged -v "$PWD:/work" -w /work driftpin build courses/stat159 …
ARG GO_IMAGE=golang:1.26-bookworm
ARG RUN_IMAGE=debian:bookworm-slim

FROM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make build

FROM ${RUN_IMAGE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends runc git ca-certificates mmdebstrap \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/bin/driftpin /usr/local/bin/driftpin
ENV DRIFTPIN_HOME=/var/lib/driftpin
VOLUME /var/lib/driftpin
ENTRYPOINT ["driftpin"]
