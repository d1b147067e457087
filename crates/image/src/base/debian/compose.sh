#!/bin/bash
# Composes a Pi-bootable Debian (arm64) as one raw disk image, laid out and set up as Raspberry Pi OS Lite is.
#
# Runs as root inside a private mount and process namespace, with these variables:
#   WORK         an empty folder for everything temporary
#   OUT          the image to write (a temporary name; the caller renames it)
#   DEBS         a folder that keeps downloaded packages between runs
#   SUITE        the Debian release
#   PACKAGES     what is installed, with commas between
#   PYTHON       the release's Python ("3.13"), where a package of PACKAGES brings one; else empty
#   SOURCES      a file with one-line apt sources for the suite
#   KEYRING      the archive's keys
#   PROXY_CONF   an apt.conf fragment for this run only (the host's proxies); may be empty
#   INPUTS       a hexadecimal SHA-256 of the inputs; all ids of the image come from it
#   SOURCE_DATE_EPOCH  the newest time in the image
# Lines on stdout that start with "stage: " are for the user; everything else is the log.
set -euo pipefail
export LC_ALL=C TZ=UTC
umask 022
HERE=$(cd "$(dirname "$0")" && pwd)
export HERE WORK OUT DEBS SUITE SOURCES PYTHON PROXY_CONF INPUTS SOURCE_DATE_EPOCH

stage() { echo "stage: $*"; }

# Maintainer scripts run thousands of small programs. Emulated, each costs a hundred times what it costs natively, so a
# host that is not arm64 lends the interpreters and tools of its own architecture, of the same Debian release.
NATIVE_PACKAGES="dash,bash,coreutils,sed,grep,findutils,mawk,debianutils,util-linux,perl-base,tar,dpkg,cpio,kmod,\
openssl,zstd,gzip${PYTHON:+,python$PYTHON-minimal,libpython$PYTHON-stdlib}"

register_emulator() {
  [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] && return
  [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
  [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] && return
  cat /usr/lib/binfmt.d/qemu-aarch64.conf > /proc/sys/fs/binfmt_misc/register
}

# Downloaded packages are used again only when they are still the bytes that were kept.
recall_packages() {
  mkdir -p "$DEBS"
  [ -f "$DEBS/SHA256SUMS" ] || { find "$DEBS" -name '*.deb' -delete; return; }
  (cd "$DEBS" && sha256sum -c --quiet --ignore-missing SHA256SUMS >/dev/null 2>&1) && return
  find "$DEBS" -type f -delete
}

keep_packages() {
  (cd "$DEBS" && find . -maxdepth 1 -name '*.deb' -printf '%f\0' | sort -z | xargs -0 -r sha256sum > SHA256SUMS)
}

# Up to bookworm no package has the links of a merged /usr.
MERGED_USR=()
[ "$SUITE" != bookworm ] || MERGED_USR=(--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr)

# cleanup/apt is left out: customize.sh empties the tree's /tmp, where mmdebstrap keeps the configuration that points its apt
# at the tree; without it that apt would clear the lists of this host. image.sh has written the image by then.
run_mmdebstrap() {
  mmdebstrap --mode=root "${MERGED_USR[@]}" --skip=check/qemu,download/empty,essential/unlink,cleanup/apt --keyring="$KEYRING" \
    --setup-hook="$HERE/host-apt.sh \"\$1\" in" "$@"
}

fetch_native_tools() {
  stage "fetching tools for this machine, so that little runs emulated"
  run_mmdebstrap --architectures="$1" --variant=extract --include="$NATIVE_PACKAGES" --format=directory \
    "$SUITE" "$WORK/native" "$SOURCES"
  "$HERE/host-apt.sh" "$WORK/native" out
  export NATIVE="$WORK/native"
}

compose() {
  stage "installing Debian $SUITE for arm64"
  PATH="${NATIVE:+/.native/bin:}$PATH" run_mmdebstrap --architectures=arm64 --variant=minbase --format=null \
    --components=main,non-free-firmware --include="$PACKAGES" \
    --aptopt='Acquire::Languages "none"' \
    --dpkgopt="$HERE/dpkg.cfg" \
    ${NATIVE:+--extract-hook="$HERE/native.sh \"\$1\" in"} \
    ${NATIVE:+--essential-hook="$HERE/native.sh \"\$1\" again"} \
    --essential-hook="$HERE/before-packages.sh \"\$1\"" \
    --customize-hook="$HERE/initramfs.sh \"\$1\"" \
    ${NATIVE:+--customize-hook="$HERE/native.sh \"\$1\" out"} \
    --customize-hook="$HERE/host-apt.sh \"\$1\" out" \
    --customize-hook="$HERE/customize.sh \"\$1\"" \
    --customize-hook="$HERE/image.sh \"\$1\"" \
    "$SUITE" - "$SOURCES"
}

recall_packages
case $(dpkg --print-architecture) in
  arm64) ;;
  amd64) register_emulator; fetch_native_tools amd64 ;;
  *) register_emulator ;;
esac
compose
keep_packages
stage "done"
