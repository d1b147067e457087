#!/bin/bash
# Runs one stage and prints how long it took.
#
#   tools/stage.sh NAME COMMAND...
#
# NAME must not contain quotes (see stages.sh).
set -uo pipefail
NAME=$1
shift
echo "==> $NAME: $*"
START=$SECONDS
"$@"
STATUS=$?
[ -z "${KRAKEN_STAGES:-}" ] || printf '%d\t%d\t%s\n' $((SECONDS - START)) "$STATUS" "$NAME" >> "$KRAKEN_STAGES"
if [ "$STATUS" -eq 0 ]; then
  echo "==> $NAME: done in $((SECONDS - START)) s"
else
  echo "==> $NAME: FAILED after $((SECONDS - START)) s (exit $STATUS)" >&2
fi
exit "$STATUS"
