#!/bin/bash
# Runs all tests of `make test` at the same time, and prints how long each stage's tests took.
# Stages overlap, so these are sums of the tests' own times.
set -uo pipefail
REPORT="${CARGO_TARGET_DIR:-target}/nextest/ci/junit.xml"
rm -f "$REPORT"
cargo nextest run --locked --workspace --profile ci --test-threads $((3 * $(nproc))) --no-tests=fail
STATUS=$?
python3 - "$REPORT" "${KRAKEN_STAGES:-/dev/null}" <<'END'
import sys
import xml.etree.ElementTree as xml

STAGES = {"base": "on the debian base", "root": "that need root", "swarm": "on real dockerds", "qemu": "that boot images"}
try:
    cases = list(xml.parse(sys.argv[1]).iter("testcase"))
except (OSError, xml.ParseError) as error:
    sys.exit("no times: %s" % error)
stages = {}
for case in cases:
    prefix = case.get("name").rpartition("::")[2].partition("_")[0]
    stages.setdefault(STAGES.get(prefix, "that need nothing"), []).append(case)
slowest = sorted(cases, key=lambda case: -float(case.get("time")))
print("==> the slowest tests, in seconds:")
for case in slowest[:12]:
    print("%7.0f  %s" % (float(case.get("time")), case.get("name")))
with open(sys.argv[2], "a", encoding="utf-8") as table:
    for stage, tests in sorted(stages.items()):
        failed = any(case.find("failure") is not None or case.find("error") is not None for case in tests)
        seconds = sum(float(case.get("time")) for case in tests)
        table.write("%d\t%d\ttests %s: %d, in sum\n" % (round(seconds), failed, stage, len(tests)))
END
exit "$STATUS"
