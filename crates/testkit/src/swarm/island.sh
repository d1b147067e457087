#!/bin/sh
# The first process of an island, which is a network without a connection to any other. FOLDER has
# its files, CGROUP is the name of its control groups.
# It runs as long as the pipe on its standard input is open, that is until its test ends, however it
# ends. Then it removes everything.
set -eu

ip link set lo up
ip link add name lan type bridge
ip link set lan up
echo up
cat >/dev/null

# Every machine of the island is a process of this PID namespace; its mounts and its network end
# with it.
kill -KILL -1 2>/dev/null || true
tries=0
until rm -rf --one-file-system "$FOLDER" 2>/dev/null || [ "$tries" -ge 50 ]; do
  tries=$((tries + 1))
  sleep 0.1
done
find /sys/fs/cgroup -depth -type d \( -path "*/$CGROUP" -o -path "*/$CGROUP/*" \) -exec rmdir {} + 2>/dev/null || true
