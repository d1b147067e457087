#!/bin/sh
# The first process of an island: a network that leads nowhere. FOLDER holds its files, CGROUP names its control groups.
# It lives as long as the pipe on its standard input, that is as long as its test, however that ends; then it clears everything away.
set -eu

ip link set lo up
ip link add name lan type bridge
ip link set lan up
echo up
cat >/dev/null

# Every machine of the island is a process of this PID namespace; its mounts and its network end with it.
kill -KILL -1 2>/dev/null || true
tries=0
until rm -rf --one-file-system "$FOLDER" 2>/dev/null || [ "$tries" -ge 50 ]; do
  tries=$((tries + 1))
  sleep 0.1
done
find /sys/fs/cgroup -depth -type d \( -path "*/$CGROUP" -o -path "*/$CGROUP/*" \) -exec rmdir {} + 2>/dev/null || true
