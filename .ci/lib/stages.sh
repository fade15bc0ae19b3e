# Stages of .ci/test: each is announced, timed and logged to target/test.log; the first that fails ends the run, and what was begun is taken back. Each run ends with a table of what its stages took, also a failed one.
# Each runs as a process group of its own, so that Ctrl-C or a TERM reaches all of it at once.
# Sourced by .ci/test, with `say` and `die` of deploy/node/lib/common.sh at hand. Leaves target/test.log.
# shellcheck shell=bash disable=SC2154 # repo comes from .ci/test

log=target/test.log
mkdir -p target
: >"$log"
exec </dev/null
finished=() # a line for each stage that passed
running=    # the stage, its start and its process group while one runs
begun=
job=

# stage NAME COMMAND...: what it prints goes to the terminal and to the log
stage() {
  running=$1
  begun=$SECONDS
  echo "== $running"
  echo "== $running" >>"$log"
  shift
  set -m # a group of its own
  (set +m && "$@" 2>&1 | tee -a "$log") 8>&- & # without the lock of builds.sh
  job=$!
  set +m
  wait "$job" || exit 1
  finished+=("$(took)")
  running='' begun='' job=
}

took() { printf '%5d s  %s' $((SECONDS - begun)) "$running"; }

stop_stage() {
  [[ -n $job ]] || return 0
  kill -TERM -- "-$job" 2>/dev/null || return 0
  local patience=100
  while kill -0 -- "-$job" 2>/dev/null && ((patience-- > 0)); do sleep 0.1; done
  kill -KILL -- "-$job" 2>/dev/null || true
}

# why tests failed: the first lines of each panic, under the test's name
panics() { awk '/^---- .* stdout ----$/ { name = $0 } / panicked at / && name { print name; name = ""; left = 6 } /^---- / { if (name != "") left = 0 } left-- > 0 { print "  " substr($0, 1, 600) }' "$log"; }

report() { # EXIT_CODE
  echo
  (($1 == 0)) || panics
  sed -n '/^ *Running /h; /^ *Doc-tests /h; /^test result:/{x; s/^ *//; s/ (.*//; p; x; s/^/    /; p}' "$log"
  echo
  ((${#finished[@]} == 0)) || printf '%s\n' "${finished[@]}" | tee -a "$log"
  if (($1 == 0)); then echo "passed in $SECONDS s"; else echo "FAILED${running:+ in: $running} after $SECONDS s; all output is in $repo/$log"; fi
}

finish() {
  local code=$?
  trap - EXIT
  trap '' INT TERM HUP
  set +e
  [[ -z $running ]] || finished+=("$(took): FAILED")
  stop_stage
  leave_as_found $code
  [[ ! -s target/figures.md ]] || print_figures
  report $code
  exit $code
}
print_figures() {
  echo
  echo '| figure | measured | bound | others | how |'
  echo '|---|---|---|---|---|'
  cat target/figures.md
}
trap finish EXIT
trap 'echo; say "interrupted"; exit 130' INT TERM HUP
