# shellcheck shell=bash
# The stages of scripts/test: each runs one command with a log, and the last adds them up. To be sourced
# after common.sh.

# start_stages DIR: logs and results go to DIR, emptied first.
start_stages() {
  logs=$1
  rm -rf "$logs"
  mkdir -p "$logs"
  : >"$logs/checks.tsv"
}

# Says every 30 seconds how a stage is doing, until killed.
watch_stage() {
  # The pipe that reads our output must not wait for a sleep that outlives us.
  while sleep 30 >/dev/null 2>&1; do
    say "  $1: $(tail -c 300 "$logs/$1.log" | tr '\r' '\n' | tail -n 1 | cut -c 1-100)"
  done
}

# run_logged NAME COMMAND... returns the command's exit code.
run_logged() {
  local name=$1 start=$SECONDS code=0 watcher
  shift
  say "$name"
  watch_stage "$name" &
  watcher=$!
  # In a subshell with errexit of its own: a function that fails half-way must not go on.
  set +e
  (set -e; "$@") >"$logs/$name.log" 2>&1 </dev/null
  code=$?
  set -e
  kill "$watcher" 2>/dev/null || true
  wait "$watcher" 2>/dev/null || true
  seconds=$((SECONDS - start))
  return "$code"
}

# record NAME RESULT REASON keeps the result of a check for the summary.
record() {
  printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$logs/checks.tsv"
}

fail() {
  say "$1: FAILED after ${seconds} s; the end of $logs/$1.log:"
  tail -n 40 "$logs/$1.log" | sed 's/^/    /'
  record "$1" failed "see $logs/$1.log"
}

# stage NAME COMMAND... runs a check; returns whether it passed.
stage() {
  if run_logged "$@"; then
    say "$1: passed in ${seconds} s"
    record "$1" passed ""
    return 0
  fi
  fail "$1"
  return 1
}

# check NAME COMMAND... is a stage on which no other depends.
check() {
  stage "$@" || true
}

# check_or_skip NAME COMMAND... is the same for one that exits 77 where it can't be made; the last line of
# its log is the reason.
check_or_skip() {
  local code=0
  run_logged "$@" || code=$?
  case $code in
    0) say "$1: passed in ${seconds} s"; record "$1" passed "" ;;
    77) say "$1: skipped: $(tail -n 1 "$logs/$1.log")"; record "$1" skipped "$(tail -n 1 "$logs/$1.log")" ;;
    *) fail "$1" ;;
  esac
}

# tests PRESET WRAPPER CTEST_ARGUMENT... runs the tests of a build. Each test counts by itself.
tests() {
  local preset=$1 wrapper=() code=0
  read -r -a wrapper <<<"$2"
  shift 2
  run_logged "tests-$preset" "${wrapper[@]}" ctest --test-dir "build/$preset" --no-tests=error \
    --test-output-size-passed 100000 --output-junit "$PWD/$logs/tests-$preset.xml" "$@" || code=$?
  if [[ ! -s $logs/tests-$preset.xml ]]; then
    fail "tests-$preset"
  elif ((code != 0)); then
    say "tests-$preset: FAILED after ${seconds} s; the end of $logs/tests-$preset.log:"
    tail -n 40 "$logs/tests-$preset.log" | sed 's/^/    /'
  else
    say "tests-$preset: passed in ${seconds} s"
  fi
}

# Prints what ran, and ends the script.
finish_stages() {
  local code=0
  echo
  python3 scripts/lib/summary.py --logs "$logs" --allowed tests/allowed_skips.txt || code=$?
  exit "$code"
}

# build PRESET
build() {
  cmake --preset "$1"
  cmake --build "build/$1" --parallel "$(parallel_jobs)"
}

# Clang's -Wthread-safety is part of our flags; unoptimised, since only its judgement is wanted.
build_clang() {
  cmake -S . -B build/clang -G Ninja -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_CXX_FLAGS_DEBUG=-O0
  cmake --build build/clang --parallel "$(parallel_jobs)"
}

# The same flags as release, so that ccache has all of it already.
build_without_services() {
  cmake --preset release -B build/core -DANABRANCH_SERVICES=OFF
  if grep -nE 'protobuf|grpc|yaml-cpp|spdlog' build/core/build.ninja; then
    echo "With -DANABRANCH_SERVICES=OFF a target still uses what the lines above name."
    return 1
  fi
  cmake --build build/core --parallel "$(parallel_jobs)"
}

# LibTorch costs a process half a second and 175 MB at its start: the command that people type has none,
# nor have the roles that handle no tensors.
check_links() {
  local binary needed
  for binary in anabranch anabranch-replay anabranch-reward; do
    needed=$(readelf -d "build/release/bin/$binary")
    if grep -E 'NEEDED.*lib(torch|c10)' <<<"$needed"; then
      echo "build/release/bin/$binary links LibTorch."
      return 1
    fi
  done
}

check_shell() {
  local file scripts=()
  while IFS= read -r -d '' file; do
    if [[ $file == *.sh ]] || head -n 1 "$file" | grep -qaE '^#!.*\b(ba)?sh\b'; then
      scripts+=("$file")
    fi
  done < <(tree_files .ci scripts tests benchmarks deploy examples)
  echo "${scripts[@]}"
  shellcheck -x "${scripts[@]}"
}

# Compares the contracts with those of the last commit that others have: where this branch left
# origin/main, or the commit before.
check_breaking() {
  local head base before="$logs/contracts-before"
  head=$(git rev-parse HEAD)
  base=$(git merge-base HEAD refs/remotes/origin/main 2>/dev/null || true)
  if [[ -z $base || $base == "$head" ]]; then
    base=$(git rev-parse --verify --quiet HEAD^ || true)
  fi
  if [[ -z $base ]] || ! git cat-file -e "$base:proto" 2>/dev/null; then
    echo "no earlier commit with contracts to compare with"
    return 77
  fi
  mkdir -p "$before"
  git archive "$base" proto | tar -x -C "$before"
  echo "against $base"
  .deps/tools/bin/buf breaking proto --against "$before/proto"
}
