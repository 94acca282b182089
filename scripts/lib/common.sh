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
