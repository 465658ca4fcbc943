#!/usr/bin/env bash
# Functions of the scripts that build programs outside the project. Sourced, not run; the caller
# sets scratch.

step() { echo "consumer: $*"; }

# Runs a command and shows what it prints only if it fails, which ends the script.
quietly() {
  local log=${scratch:?}/step.log
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    echo "consumer: failed: $*" >&2
    exit 1
  fi
}

# Runs a program of the processor that is compiled for.
emulate() {
  local emulator=()
  [[ -z ${EMULATOR:-} ]] || read -r -a emulator <<<"$EMULATOR"
  "${emulator[@]}" "$@"
}
