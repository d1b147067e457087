#!/bin/bash
# `make bench-cards`: how long a card takes, compared with the tools that a user would use instead.
# It needs root, for loop devices.
#
# Two kinds of card: a loop device on tmpfs (as fast as memory, so it shows the cost of the programs
# themselves), and one that is limited to the speed of an SD card for every writer (nbdkit's rate
# filter, mounted as a file by nbdfuse, under a loop device). The arguments choose what is measured:
# "fast slow many". SPEED is in MB/s (20).
set -euo pipefail
FLASH=${1:?the program}
shift
PARTS=${*:-fast slow many}
SPEED=${SPEED:-20}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/kraken-cards.XXXXXX")
export KRAKEN_FLASH_STATE=$WORK/state
DEVICES=()

finish() {
  for device in "${DEVICES[@]}"; do losetup --detach "$device" 2>/dev/null || true; done
  # When it is unmounted, nbdfuse ends, and with it its nbdkit; a loop device may keep it open for a
  # moment.
  for drive in "$WORK"/drive-*; do
    for _ in $(seq 50); do mountpoint -q "$drive" || break; fusermount3 -u "$drive" 2>/dev/null || sleep 0.1; done
  done
  umount --lazy "$WORK/ram" 2>/dev/null || true
  rm -rf "$WORK"
}
trap finish EXIT

# The image that is written: node 3 of the default cluster.
cd "$WORK"
printf '[user]\nssh-keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me@desk"]\n' > kraken.toml
"$FLASH" build --quiet --base debian --node 3 --no-sums -o images
IMAGE=images/kraken-3.img
xz --keep -T0 -1 "$IMAGE"
SIZE=$(stat -c %s "$IMAGE")
USED=$(awk '/MappedBlocksCount/ { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+$/) { print $i * 4096; exit } }' "$IMAGE.bmap")
CARD=$(( (SIZE / 1048576 + 64) * 1048576 ))
mkdir ram
mount -t tmpfs -o size=20g tmpfs ram

fast_card() { # a name
  truncate -s "$CARD" "ram/$1"
  losetup --find --show "ram/$1"
}

slow_card() { # a name
  mkdir -p "drive-$1"
  # Reads and writes are limited separately; the file is in memory, so that nothing else limits
  # them.
  nbdfuse "drive-$1/card" --command nbdkit --exit-with-parent -s --filter=rate memory "$CARD" "rate=$((SPEED * 8))M" >/dev/null 2>&1 &
  for _ in $(seq 100); do [ -e "drive-$1/card" ] && break; sleep 0.1; done
  # Bypasses also the memory of the file system below: otherwise the data that is read back comes
  # from there.
  losetup --direct-io=on --find --show "drive-$1/card"
}

# Runs a command and prints: seconds, CPU seconds, largest process in MiB, bytes that were written
# to the device.
measure() { # what, device, command...
  local what=$1 device=$2 before after
  shift 2
  sync
  echo 3 > /proc/sys/vm/drop_caches
  cat "$IMAGE" "$IMAGE.xz" > /dev/null
  before=$(awk '{ print $7 }' "/sys/block/${device#/dev/}/stat")
  python3 - "$@" <<'PYTHON' > "$WORK/measured" 2> "$WORK/said" || { cat "$WORK/said" >&2; return 1; }
import resource, subprocess, sys, time
begun = time.monotonic()
status = subprocess.run(["bash", "-c", sys.argv[1]], stdout=subprocess.DEVNULL).returncode
took = time.monotonic() - begun
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print("%.1f s | %.1f s | %.0f MiB" % (took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))
sys.exit(status)
PYTHON
  after=$(awk '{ print $7 }' "/sys/block/${device#/dev/}/stat")
  echo "| $what | $(cat "$WORK/measured") | $(( (after - before) * 512 / 1000000 )) MB |"
}

OURS="--i-know-this-is-not-removable --yes --no-eject --quiet"

# Caligula, when it is installed (cargo install caligula): it always reads the card back.
caligula_burn() { # what, device, image, packing
  command -v caligula >/dev/null || return 0
  measure "$1" "$2" "caligula burn $3 -o $2 -z $4 -s skip --interactive never -f --root never"
}

table() { # device
  local device=$1
  echo "| what | wall | CPU | largest process | written to the device |"
  echo "| --- | --- | --- | --- | --- |"
  measure "\`dd bs=4M conv=fsync\`, not read back" "$device" "dd if=$IMAGE of=$device bs=4M conv=fsync status=none"
  measure "\`bmaptool copy\`, not read back" "$device" "bmaptool -q copy --bmap $IMAGE.bmap $IMAGE $device"
  measure "**kraken-flash, node 3 from golden + patch**, not read back" "$device" "$FLASH --base debian --offline --node 3 $device $OURS --no-verify"
  measure "**kraken-flash, node 3 from golden + patch**" "$device" "$FLASH --base debian --offline --node 3 $device $OURS"
  caligula_burn "\`caligula burn\`" "$device" "$IMAGE" none
  measure "\`xz -dc \\| dd\`, not read back" "$device" "xz -T0 -dc $IMAGE.xz | dd of=$device bs=4M conv=fsync iflag=fullblock status=none"
  measure "\`bmaptool copy\` of .xz, not read back" "$device" "bmaptool -q copy --bmap $IMAGE.bmap $IMAGE.xz $device"
  measure "**kraken-flash flash-image** of .xz with map, not read back" "$device" "$FLASH flash-image $IMAGE.xz $device $OURS --no-verify"
  measure "**kraken-flash flash-image** of .xz with map" "$device" "$FLASH flash-image $IMAGE.xz $device $OURS"
  mv "$IMAGE.bmap" "$IMAGE.bmap.away"
  measure "**kraken-flash flash-image** of .xz without map, not read back" "$device" "$FLASH flash-image $IMAGE.xz $device $OURS --no-verify"
  measure "**kraken-flash flash-image** of .xz without map" "$device" "$FLASH flash-image $IMAGE.xz $device $OURS"
  mv "$IMAGE.bmap.away" "$IMAGE.bmap"
  caligula_burn "\`caligula burn\` of .xz" "$device" "$IMAGE.xz" xz
}

echo "load: $(cat /proc/loadavg)"
echo "image: $((SIZE / 1000000)) MB, of which $((USED / 1000000)) MB are in use; as .xz $(( $(stat -c %s "$IMAGE.xz") / 1000000 )) MB"
for part in $PARTS; do
  case $part in
    fast)
      printf '\n### A card as fast as memory\n\n'
      device=$(fast_card one); DEVICES+=("$device")
      table "$device" ;;
    slow)
      printf '\n### A card of %s MB/s\n\nUsed bytes ÷ speed: %s s each way.\n\n' "$SPEED" "$(awk "BEGIN { printf \"%.1f\", $USED / 1000000 / $SPEED }")"
      device=$(slow_card one); DEVICES+=("$device")
      table "$device" ;;
    many)
      printf '\n### Several cards of %s MB/s at once, written and read back\n\n| cards | wall | CPU | largest process | written to one |\n| --- | --- | --- | --- | --- |\n' "$SPEED"
      for count in 1 3 7; do
        arguments="" first=""
        for node in $(seq "$count"); do
          device=$(slow_card "many-$count-$node"); DEVICES+=("$device")
          first=${first:-$device}
          arguments+=" --node $node $device"
        done
        measure "$count" "$first" "$FLASH --base debian --offline $arguments $OURS"
        for device in $(echo "$arguments" | grep -o '/dev/[a-z0-9]*'); do losetup --detach "$device"; done
      done ;;
    *) echo "there is no part \"$part\"; there are fast, slow, many" >&2; exit 2 ;;
  esac
done
