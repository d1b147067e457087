#!/bin/bash
# Installs kraken-flash's package in a clean Debian, uses it, and removes it again.
#
#   tools/release-test.sh SUITE ARCHITECTURE FILE.deb
#
# It needs mmdebstrap, and for arm64 on another machine its emulator (qemu-user-static, from Debian
# 13 on qemu-user-binfmt). The archive is KRAKEN_FLASH_DEBIAN_MIRROR, or the one that this machine's
# apt uses.
set -euo pipefail
export LC_ALL=C
[ $# -eq 3 ] || { echo "usage: tools/release-test.sh SUITE ARCHITECTURE FILE.deb" >&2; exit 2; }
SUITE=$1 ARCHITECTURE=$2
PACKAGE=$(realpath "$3")
cd "$(dirname "$0")/.."

fail() { echo "release-test: $*" >&2; exit 1; }

command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing: tools/setup.sh release"
# shellcheck disable=SC2016 # apt's own variables
MIRROR=${KRAKEN_FLASH_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
  awk '$2 !~ /security|backports/ && $1 ~ /\/debian\/?$/ {print $1; exit}')}
[ -n "$MIRROR" ] || fail "no Debian mirror in the apt configuration: set KRAKEN_FLASH_DEBIAN_MIRROR"

# Registers the emulator with the kernel, as binfmt.d(5) describes for the next start of the
# machine. In a container no other program does it. Linux 6.7 and later forget it when the last mount
# of binfmt_misc goes, so the rest of this script runs in the namespace that has one.
if [ "$ARCHITECTURE" = arm64 ] && [ "$(dpkg --print-architecture)" != arm64 ] && ! arch-test arm64 >/dev/null 2>&1; then
  RULE=/usr/lib/binfmt.d/qemu-aarch64.conf
  [ -r $RULE ] || fail "the emulator of arm64 is missing: tools/setup.sh release"
  [ "$(id -u)" -eq 0 ] || fail "the emulator of arm64 is not registered with the kernel: sudo systemctl restart systemd-binfmt"
  # shellcheck disable=SC2016 # the inner shell's own arguments
  exec unshare --mount bash -euc 'binfmt=/proc/sys/fs/binfmt_misc
    [ -e $binfmt/register ] || mount -t binfmt_misc binfmt_misc $binfmt
    [ -e $binfmt/qemu-aarch64 ] || cat "$0" > $binfmt/register
    arch-test arm64 >/dev/null || { echo "release-test: the emulator of arm64 cannot be registered" >&2; exit 1; }
    exec "$@"' $RULE tools/release-test.sh "$SUITE" "$ARCHITECTURE" "$PACKAGE"
fi

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
cp "$PACKAGE" "$WORK/kraken-flash.deb"
cp tests/fixtures/image-format/base.img.zst tools/release-test-inside.sh "$WORK"

# The proxies and certificates that this machine's apt uses.
PROXIES=()
while IFS= read -r line; do PROXIES+=("--aptopt=$line"); done \
  < <(apt-config dump Acquire | grep -iE '^Acquire::https?::.*(proxy|cainfo|capath)' || true)

# shellcheck disable=SC2016 # the hook's own argument
mmdebstrap --quiet --variant=minbase --format=null --architectures="$ARCHITECTURE" \
  --keyring=/usr/share/keyrings/debian-archive-keyring.gpg --include=man-db,bash-completion \
  --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt=force-unsafe-io "${PROXIES[@]}" \
  --customize-hook="mkdir \"\$1/test\" && cp \"$WORK\"/* \"\$1/test/\"" \
  --customize-hook='chroot "$1" /bin/bash /test/release-test-inside.sh' \
  "$SUITE" /dev/null "deb $MIRROR $SUITE main" || fail "$(basename "$3") failed on $SUITE"
echo "release-test: $(basename "$3") is right on $SUITE"
