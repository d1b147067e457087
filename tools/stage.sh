#!/bin/bash
# Runs one stage and says how long it took: tools/stage.sh NAME COMMAND...
set -uo pipefail
NAME=$1
shift
echo "==> $NAME: $*"
START=$SECONDS
"$@"
STATUS=$?
if [ "$STATUS" -eq 0 ]; then
  echo "==> $NAME: done in $((SECONDS - START)) s"
else
  echo "==> $NAME: FAILED after $((SECONDS - START)) s (exit $STATUS)" >&2
fi
exit "$STATUS"
