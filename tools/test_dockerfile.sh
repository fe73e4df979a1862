#!/usr/bin/env bash
# Runs the steps of a Dockerfile without Docker: each stage in a folder of its own that debootstrap fills, by chroot. Then runs
# the image's command there, as its user.
# Usage: tools/test_dockerfile.sh FOLDER [DOCKERFILE]     as root; needs debootstrap; the stages stay in FOLDER
# Knows FROM IMAGE [AS NAME], WORKDIR, COPY [--from=STAGE] SOURCE TARGET, RUN, USER and ENTRYPOINT ["WORD"], a line each. An
# image is Debian's release of its name. Packages come from where this machine takes them.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$(mkdir -p "${1:?a folder is missing}" && cd "$1" && pwd)
dockerfile=${2:-$root/Dockerfile}
stage='' workdir=/ user=0:0 entrypoint=''

fail() {
  echo "test_dockerfile.sh: $*" >&2
  exit 1
}

unmount() {
  local each
  for each in "$folder"/stage-*/proc; do
    if mountpoint -q "$each"; then umount "$each"; fi
  done
}
trap unmount EXIT

# base RELEASE: a minimal system, made once.
base() {
  local made=$folder/base-$1
  [ -e "$made/complete" ] && return
  rm -rf "$made"
  debootstrap --variant=minbase "$1" "$made" >"$folder/debootstrap.log" 2>&1 ||
    fail "debootstrap failed; see $folder/debootstrap.log"
  cp -a /etc/resolv.conf /etc/hosts "$made/etc/" 2>/dev/null || true
  rm -f "$made/etc/apt/sources.list"
  cp -aL /etc/apt/sources.list* /etc/apt/apt.conf.d "$made/etc/apt/" 2>/dev/null || true
  rm -f "$made/etc/apt/apt.conf.d/"*{packagekit,appstream}*
  touch "$made/complete"
}

from() { # IMAGE [AS NAME]
  local release=${1#debian:}
  release=${release%-slim}
  base "$release"
  stages=$((${stages:-0} + 1))
  stage=$folder/stage-${3:-$stages} workdir=/ user=0:0
  rm -rf "$stage"
  cp -a --reflink=auto "$folder/base-$release" "$stage"
  mount -t proc proc "$stage/proc"
}

copy() { # [--from=STAGE] SOURCE TARGET
  local source=$root
  case $1 in
    --from=*) source=$folder/stage-${1#--from=} && shift ;;
  esac
  local target=$2
  [ "${target#/}" != "$target" ] || target=$workdir/$target
  mkdir -p "$stage/$target"
  tar -C "$source/$1" --exclude-from="$root/.dockerignore" -cf - . | tar -C "$stage/$target" -xf - --no-same-owner
}

inside() { # COMMAND: as the image's user, where it works
  chroot --userspec="$user" "$stage" /bin/sh -ec "cd '$workdir'; $1"
}

while read -r word rest; do
  [ -z "$word" ] || echo "== $word $rest"
  case $word in
    '' | '#'*) ;;
    # shellcheck disable=SC2086
    FROM) from $rest ;;
    WORKDIR) workdir=$rest && mkdir -p "$stage/$rest" ;;
    # shellcheck disable=SC2086
    COPY) copy $rest ;;
    RUN) inside "$rest" >"$folder/run.log" 2>&1 || { tail -n 20 "$folder/run.log" >&2; fail "RUN $rest failed"; } ;;
    USER) user=$rest ;;
    ENTRYPOINT) entrypoint=${rest#'["'} && entrypoint=${entrypoint%'"]'} ;;
    *) fail "$word is not known" ;;
  esac
done <"$dockerfile"

inside "$entrypoint --version && $entrypoint info && $entrypoint selftest | tail -n 3"
unmount
echo "the image is $(du -sm "$stage" | cut -f 1) MB, of which $(du -sm "$folder/base-bookworm" | cut -f 1) MB are Debian's"
