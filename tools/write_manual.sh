#!/usr/bin/env bash
# Writes the manual pages, compressed, and the completions that the command prints.
# Usage: write_manual.sh OCTAVO FOLDER
set -euo pipefail
octavo=$1 folder=$2
rm -rf "$folder"
mkdir -p "$folder/man/man1"
for subcommand in "" $("$octavo" --help | awk '/^Subcommands:/ { listed = 1; next } /^$/ { listed = 0 } listed { print $1 }'); do
  "$octavo" manual $subcommand | gzip -9n >"$folder/man/man1/octavo${subcommand:+-$subcommand}.1.gz"
done
for shell in bash zsh fish; do
  "$octavo" completion "$shell" >"$folder/octavo.$shell"
done
