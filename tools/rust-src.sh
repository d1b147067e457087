#!/bin/bash
# Makes a copy of this machine's toolchain for `cargo xtask release --build-std`, where rustup can
# install neither the musl targets nor the component rust-src. The copy has the sources of the
# standard library from Debian's package rust-src of exactly the same version.
#
#   tools/rust-src.sh [FOLDER]
#
# FOLDER is target/release-tools/toolchain when it is not given. The script does not change the
# toolchain itself.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
FOLDER=${1:-target/release-tools/toolchain}
# The suites in which Debian has newer Rust. Expired lists are accepted, because a mirror may no
# longer be updated; its packages are signed all the same.
SUITES="trixie-backports forky sid"

fail() { echo "rust-src: $*" >&2; exit 1; }

VERSION=$(rustc --version | awk '{print $2}')
SYSROOT=$(realpath "$(rustc --print sysroot)")
[ ! -d "$SYSROOT/lib/rustlib/src/rust/library" ] || { echo "rust-src: $SYSROOT has its sources"; exit 0; }
[ ! -d "$FOLDER/lib/rustlib/src/rust/library" ] || { echo "rust-src: $FOLDER is there"; exit 0; }
# shellcheck disable=SC2016 # apt's own variables
MIRROR=${KRAKEN_FLASH_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
  awk '$2 !~ /security|backports/ && $1 ~ /\/debian\/?$/ {print $1; exit}')}
[ -n "$MIRROR" ] || fail "no Debian mirror in the apt configuration: set KRAKEN_FLASH_DEBIAN_MIRROR"

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
# Uses apt with its own folders, so that the machine's lists and settings do not change.
mkdir -p "$WORK"/{lists/partial,cache/archives/partial,etc/preferences.d}
touch "$WORK/status"
for suite in $SUITES; do
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $MIRROR $suite main"
done > "$WORK/etc/sources.list"
apt_here() { # apt_here get|cache WORDS...
  local program=apt-$1
  shift
  "$program" -q -o Dir::State="$WORK" -o Dir::State::status="$WORK/status" -o Dir::Cache="$WORK/cache" -o Dir::Etc::sourcelist="$WORK/etc/sources.list" \
    -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts="$WORK/etc/preferences.d" -o Acquire::Check-Valid-Until=false \
    -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}
# The script goes on when a mirror does not have one of the suites.
apt_here get update > "$WORK/log" 2>&1 || true
OFFERED=$(apt_here cache madison rust-src | awk '{print $3}' | sort -uV)
FOUND=$(awk -v wanted="$VERSION+" 'index($1, wanted) == 1' <<< "$OFFERED" | tail -n 1)
[ -n "$FOUND" ] || fail "Debian has no rust-src of Rust $VERSION; it has: ${OFFERED//$'\n'/ }"$'\n'"$(grep '^E:' "$WORK/log" || true)"
(cd "$WORK" && apt_here get download "rust-src=$FOUND" > "$WORK/log")
dpkg-deb -x "$WORK"/rust-src_*.deb "$WORK/src"

rm -rf "$FOLDER.new"
mkdir -p "$FOLDER.new/lib/rustlib/src/rust"
for part in bin etc lib libexec; do
  [ ! -e "$SYSROOT/$part" ] || cp -a "$SYSROOT/$part" "$FOLDER.new/"
done
cp -a "$WORK/src/usr/src/rustc-$VERSION/library" "$FOLDER.new/lib/rustlib/src/rust/"
rm -rf "$FOLDER"
mv "$FOLDER.new" "$FOLDER"
echo "rust-src: $FOLDER has the sources of Debian's $FOUND"
