#!/bin/bash
# Runs a command, and prints at its end how long each of its stages took.
#
#   tools/stages.sh NAME COMMAND...
#
# It also writes the table as JSON to target/stages/NAME.json. Inside another run of this script,
# only the outer one prints and writes the table.
set -uo pipefail
NAME=$1
shift
[ -z "${KRAKEN_STAGES:-}" ] || exec "$@"

FOLDER="${CARGO_TARGET_DIR:-target}/stages"
mkdir -p "$FOLDER"
KRAKEN_STAGES=$(mktemp "$FOLDER/.$NAME.XXXXXX")
export KRAKEN_STAGES
trap 'rm -f "$KRAKEN_STAGES"' EXIT
START=$SECONDS
"$@"
STATUS=$?
TOTAL=$((SECONDS - START))

echo "==> stages of $NAME, in seconds:"
while IFS=$'\t' read -r seconds status stage; do
  [ "$status" -eq 0 ] && failed="" || failed="  FAILED"
  printf '%7d  %s%s\n' "$seconds" "$stage" "$failed"
done < "$KRAKEN_STAGES"
printf '%7d  in all\n' "$TOTAL"

json() {
  local separator=""
  printf '{"run": "%s", "seconds": %d, "exit": %d, "stages": [' "$NAME" "$TOTAL" "$STATUS"
  while IFS=$'\t' read -r seconds status stage; do
    printf '%s\n  {"stage": "%s", "seconds": %d, "exit": %d}' "$separator" "$stage" "$seconds" "$status"
    separator=,
  done < "$KRAKEN_STAGES"
  printf '\n]}\n'
}
json > "$FOLDER/$NAME.json.part" && mv "$FOLDER/$NAME.json.part" "$FOLDER/$NAME.json"
exit "$STATUS"
