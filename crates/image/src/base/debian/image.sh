#!/bin/bash
# Turns the finished tree into a disk image: ROOT. MBR; FAT32 `bootfs` at 8 MiB, 512 MiB, one sector a cluster; ext4 `rootfs`.
# Layout: pi-gen's export-image/prerun.sh. No loop device, no mount.
set -euo pipefail
# While hooks run, /proc and /sys are mounted in the tree. A plain bind mount shows the tree without what is mounted in it;
# it goes away with the private namespace that this runs in.
R="$WORK/tree" B="$WORK/bootfs" ID=${INPUTS:0:8}
mkdir -p "$R"
mount --bind "$1" "$R"
trap 'umount "$R"' EXIT
BOOT_START=$((8 * 2048)) BOOT_SECTORS=$((512 * 2048)) ROOT_SECTORS=$((1480 * 2048))
ROOT_START=$((BOOT_START + BOOT_SECTORS))
UUID="${INPUTS:8:8}-${INPUTS:16:4}-4${INPUTS:20:3}-8${INPUTS:23:3}-${INPUTS:26:12}"
echo "stage: making the image"

# What mmdebstrap keeps services back with; it takes that away only after this.
rm -f "$R/usr/sbin/policy-rc.d"
if [ -e "$R/usr/sbin/start-stop-daemon.REAL" ]; then mv -f "$R/usr/sbin/start-stop-daemon.REAL" "$R/usr/sbin/start-stop-daemon"; fi

# --- what the firmware reads
mkdir -p "$B/overlays"
KERNEL=$(basename "$(find "$R/lib/modules" -mindepth 1 -maxdepth 1 -name '*-arm64' | sort -V | tail -1)")
find "$R/boot/firmware" -mindepth 1 -delete
find "$R/usr/lib/raspi-firmware" -maxdepth 1 -type f -exec cp -t "$B" -- {} +
if gzip -t "$R/boot/vmlinuz-$KERNEL" 2>/dev/null; then
  gzip -dc "$R/boot/vmlinuz-$KERNEL" > "$B/kernel8.img"
else
  cp "$R/boot/vmlinuz-$KERNEL" "$B/kernel8.img"
fi
cp "$R/boot/initrd.img-$KERNEL" "$B/initramfs8"
for tree in "$R/usr/lib/linux-image-$KERNEL/broadcom/"bcm2837-rpi-*.dtb "$R/usr/lib/linux-image-$KERNEL/broadcom/"bcm2711-rpi-*.dtb; do
  name=$(basename "$tree")
  cp "$tree" "$B/$name"
  # The firmware asks for the downstream kernel's name.
  case $name in bcm2837-*) cp "$tree" "$B/bcm2710-${name#bcm2837-}" ;; esac
done
echo "console=serial0,115200 console=tty1 root=PARTUUID=$ID-02 rootfstype=ext4 fsck.repair=yes rootwait resize" > "$B/cmdline.txt"
cat > "$B/config.txt" <<'F'
# Some settings of Raspberry Pi OS Lite, for Debian's own kernel.
dtparam=audio=on
auto_initramfs=1
disable_fw_kms_setup=1
disable_overscan=1
arm_64bit=1
arm_boost=1
enable_uart=1
upstream_kernel=1
[all]
F
if [ -d "$R/etc/cloud" ]; then
  printf 'dsmode: local\ninstance_id: rpios-image\n' > "$B/meta-data"
  printf '#cloud-config\n# nothing\n' > "$B/user-data"
  printf '# nothing\n' > "$B/network-config"
fi

# --- no time of this run: everything newer than the archive's own date gets that date
find "$R" "$B" -xdev -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0 -r touch -h -d "@$SOURCE_DATE_EPOCH"
find "$B" -print0 | xargs -0 -r touch -d "@$SOURCE_DATE_EPOCH"
export E2FSPROGS_FAKE_TIME="$SOURCE_DATE_EPOCH"

# --- the two file systems
truncate -s $((BOOT_SECTORS * 512)) "$WORK/boot.fs"
mkfs.vfat --invariant -F 32 -s 1 -n bootfs -i "${INPUTS:38:8}" "$WORK/boot.fs" >/dev/null
(cd "$B" && find . -mindepth 1 -maxdepth 1 -printf '%P\0' | sort -z | xargs -0 sh -c 'mcopy -s -Q -m -i "$0" "$@" ::/' "$WORK/boot.fs")
truncate -s $((ROOT_SECTORS * 512)) "$WORK/root.fs"
mke2fs -q -t ext4 -L rootfs -U "$UUID" -O '^64bit,^huge_file,^metadata_csum_seed,^orphan_file' \
  -E "hash_seed=$UUID,lazy_itable_init=0,lazy_journal_init=0" -d "$R" "$WORK/root.fs"
# mke2fs copies the change and access times of the tree, which are those of this run.
LAST=$(dumpe2fs -h "$WORK/root.fs" 2>/dev/null | awk '/^Inode count/ {total = $3} /^Free inodes/ {free = $3} END {print total - free}')
AT="@$SOURCE_DATE_EPOCH"
seq 11 "$LAST" | sed "s/.*/sif <&> ctime $AT\nsif <&> atime $AT\nsif <&> crtime $AT/" > "$WORK/times"
for field in ctime atime crtime mtime; do echo "sif <2> $field $AT"; done >> "$WORK/times"
debugfs -w -f "$WORK/times" "$WORK/root.fs" >/dev/null 2>"$WORK/times.log"
e2fsck -fn "$WORK/root.fs" >/dev/null || { e2fsck -fn "$WORK/root.fs" >&2; exit 1; }

# --- the disk
truncate -s $(((ROOT_START + ROOT_SECTORS) * 512)) "$OUT"
sfdisk -q "$OUT" <<F
label: dos
label-id: 0x$ID
unit: sectors
start=$BOOT_START, size=$BOOT_SECTORS, type=c
start=$ROOT_START, size=$ROOT_SECTORS, type=83
F
dd if="$WORK/boot.fs" of="$OUT" bs=1M seek=8 conv=notrunc,sparse status=none
dd if="$WORK/root.fs" of="$OUT" bs=1M seek=520 conv=notrunc,sparse status=none
rm -f "$WORK/boot.fs" "$WORK/root.fs"
