#!/bin/bash
# Makes the initramfs, once, and proves that no program of this machine slipped into it: ROOT.
set -euo pipefail
R=$1
echo "stage: making the initramfs"
KERNEL=$(basename "$(find "$R/lib/modules" -mindepth 1 -maxdepth 1 -name '*-arm64' | sort -V | tail -1)")
rm -f "$R/.native/bin/update-initramfs"
CHROOT=$(command -v chroot)
NATIVE_LIBS=usr/lib/x86_64-linux-gnu
ENVIRONMENT=(PATH=/.native/bin:/usr/sbin:/usr/bin:/sbin:/bin)

# Hooks look for libraries with patterns like /usr/lib/*/libkmod.so.2: this machine's must not be found there.
if [ -d "$R/.native" ]; then
  mv "$R/$NATIVE_LIBS" "$R/.native/lib"
  ENVIRONMENT+=(LD_LIBRARY_PATH=/.native/lib)
  # The program sets a PATH of its own, which would leave the native tools out.
  sed "s,^export PATH=',&/.native/bin:," "$R/usr/sbin/mkinitramfs" > "$R/.native/bin/mkinitramfs"
  chmod 755 "$R/.native/bin/mkinitramfs"
fi
in_root() { env -i HOME=/root LC_ALL=C SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" "${ENVIRONMENT[@]}" "$CHROOT" "$R" "$@"; }
in_root update-initramfs -c -k "$KERNEL"

TREE="$R/.initramfs"
in_root unmkinitramfs "/boot/initrd.img-$KERNEL" /.initramfs
[ -n "$(find "$TREE" -maxdepth 2 -name init)" ] || { echo "the initramfs has no /init" >&2; exit 1; }
# e_machine, two bytes at offset 18 of an ELF file: 0x3e is x86-64.
find "$TREE" -type f -size +1k -print0 | while IFS= read -r -d '' file; do
  case $(od -An -tx1 -N20 "$file" | tr -d ' \n') in
    7f454c46*3e00) echo "the initramfs has a program of this machine: ${file#"$TREE"}" >&2; exit 1 ;;
  esac
done
rm -rf "$TREE"
[ ! -d "$R/.native/lib" ] || mv "$R/.native/lib" "$R/$NATIVE_LIBS"
