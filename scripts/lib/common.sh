# shellcheck shell=bash
# What the scripts of this folder share. To be sourced.

# say WORD... prints a line of progress, with the seconds since the script began.
say() {
  printf '[%4ds] %s\n' "$SECONDS" "$*"
}

# die WORD... ends the script with an error.
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Prints how many compilers may run side by side: one a core, and 2 GB of free memory for each.
parallel_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable/ {print int($2 / 2000000)}' /proc/meminfo)
  ((memory >= 1)) || memory=1
  echo $((cores < memory ? cores : memory))
}

# Prints the files of the tree that git tracks, or would, and that match the patterns; NUL after each.
tree_files() {
  local file
  git rev-parse --git-dir >/dev/null || die "git cannot read this folder, so its files are not known"
  while IFS= read -r -d '' file; do
    # A file that was removed but not yet committed is still in git's list.
    [[ ! -f $file ]] || printf '%s\0' "$file"
  done < <(git ls-files -z --cached --others --exclude-standard -- "$@")
}
