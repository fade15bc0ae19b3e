# What a build with Docker needs of it. Sourced by build.sh and deploy/kind/up.sh, after common.sh. Leaves nothing.
# shellcheck shell=bash

# require_docker ALTERNATIVE: an engine answers, and the plugin buildx is there; otherwise ends with what to install, or the alternative.
# Without buildx Docker builds every stage of the Containerfile and sends the whole checkout.
require_docker() {
  command -v docker >/dev/null || die "docker is missing: install Docker from https://docs.docker.com/engine/install, or $1"
  docker info >/dev/null 2>&1 || die "no Docker engine answers ('docker info' reports why): start it, or $1"
  docker buildx version >/dev/null 2>&1 ||
    die "the Docker plugin buildx is missing ('docker buildx version' fails): install the package docker-buildx-plugin from https://docs.docker.com/engine/install (Ubuntu's and Debian 13's own Docker: docker-buildx), or $1"
}
