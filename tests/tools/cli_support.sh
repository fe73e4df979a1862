# What scripts that run the octavo command share; they set $octavo and source this. It leaves them in an empty folder
# that disappears with them.
for variable in $(compgen -e | grep '^OCTAVO_'); do unset "$variable"; done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

fail() {
  failures=$((failures + 1))
  printf 'FAILED: %s\n' "$*"
  printf '  stdout: %s\n  stderr: %s\n' "$(head -c 600 out)" "$(head -c 600 err)"
}

# run CODE WORD...: runs octavo WORD... with output in ./out and ./err, and expects the exit code.
run() {
  local expected=$1
  shift
  command=$*
  "$octavo" "$@" >out 2>err </dev/null
  local code=$?
  [ "$code" = "$expected" ] || fail "octavo $command: exit code $code, expected $expected"
}

# Expectations about the last run.
out_has() { grep -qF -- "$1" out || fail "octavo $command: stdout lacks: $1"; }
err_has() { grep -qF -- "$1" err || fail "octavo $command: stderr lacks: $1"; }
err_is_empty() { [ ! -s err ] || fail "octavo $command: stderr is not empty"; }
out_is_empty() { [ ! -s out ] || fail "octavo $command: stdout is not empty"; }
lines_are() { [ "$(wc -l <"$1")" = "$2" ] || fail "octavo $command: $1 has $(wc -l <"$1") lines, expected $2"; }
expect() { [ "$1" = "$2" ] || fail "octavo $command: $3: '$1', expected '$2'"; }
is_wrong_usage() { # WORD MESSAGE: one line that has the message and says how to get help
  out_is_empty
  lines_are err 1
  err_has "octavo: $1"
  err_has "--help'"
}
