#!/bin/bash
# Installs the Debian packages that a set of targets needs.
#
#   tools/setup.sh demo|test|lint|bench|fuzz|book|release
#
# When everything is installed already, it asks dpkg once and ends, and downloads nothing.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

fail() { echo "setup: $*" >&2; exit 1; }

[ -r /etc/os-release ] || fail "this is not a Debian machine: /etc/os-release is missing"
# shellcheck source=/dev/null
. /etc/os-release
command -v apt-get >/dev/null || fail "apt-get is missing; install by hand what tools/setup.sh lists"

EMULATOR=qemu-user-static
[ "${ID:-}" != debian ] || [ "${VERSION_ID:-99}" -lt 13 ] || EMULATOR="qemu-user qemu-user-binfmt"
[ "$(dpkg --print-architecture)" != arm64 ] || EMULATOR=""

DEMO="build-essential mmdebstrap $EMULATOR debian-archive-keyring dosfstools mtools fdisk e2fsprogs util-linux"
TEST="$DEMO qemu-system-arm qemu-utils openssh-client gdisk bmap-tools faketime gnupg btrfs-progs xfsprogs xz-utils zstd gzip zip python3
  python3-yaml python3-jsonschema python3-configobj python3-jinja2 python3-requests python3-oauthlib python3-serial python3-jsonpatch
  netplan.io sudo gnupg iproute2 openssl attr udisks2 polkitd dbus-daemon dbus-bin
  docker-registry
  chromium fonts-dejavu-core"

case ${1:-} in
  demo) PACKAGES=$DEMO ;;
  test) PACKAGES=$TEST ;;
  lint) PACKAGES="build-essential shellcheck python3-venv" ;;
  bench) PACKAGES="build-essential coreutils xz-utils btrfs-progs xfsprogs util-linux mount fdisk e2fsprogs dpkg $EMULATOR mtools qemu-system-arm qemu-utils openssh-client
    bmap-tools nbdkit libnbd-bin fuse3 python3" ;;
  fuzz) PACKAGES="build-essential dosfstools mtools fdisk e2fsprogs" ;;
  book) PACKAGES="build-essential" ;;
  release) PACKAGES="build-essential dpkg gzip tar xz-utils git python3-venv mmdebstrap arch-test $EMULATOR debian-archive-keyring man-db" ;;
  *) echo "usage: tools/setup.sh demo|test|lint|bench|fuzz|book|release" >&2; exit 2 ;;
esac

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; return; fi
  command -v sudo >/dev/null || fail "installing packages needs root, and there is no sudo; as root, run: $*"
  sudo --preserve-env=LC_ALL,DEBIAN_FRONTEND "$@"
}

apt() { as_root apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"; }

missing() {
  local package
  for package in $PACKAGES; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

# Adds backports, from the host's own mirror. When qemu-utils comes from backports, qemu-system-arm
# must come from there, too.
add_backports() {
  local suite="$VERSION_CODENAME-backports" mirror list=/etc/apt/sources.list.d/kraken-flash-backports.list
  apt-get indextargets --format '$(RELEASE)' 'Created-By: Packages' | grep -qx "$suite" && return
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
    awk -v release="$VERSION_CODENAME" '$2 == release && $1 ~ /\/debian\/?$/ {print $1; exit}')
  [ -n "$mirror" ] || fail "no Debian mirror in the apt configuration to take $suite from"
  echo "setup: adding $suite"
  echo "deb $mirror $suite main" | as_root tee "$list" >/dev/null
}

backports_needed() {
  case " $1 " in *" qemu-system-arm "*) ;; *) return 1 ;; esac
  dpkg-query -W -f '${Version}' qemu-utils 2>/dev/null | grep -q '~bpo'
}

cargo_tool() { # cargo_tool COMMAND CRATE [OPTIONS…]: installs a cargo sub-command once
  cargo "$1" --version >/dev/null 2>&1 && return
  build_tool "${@:2}"
}

build_tool() { # build_tool CRATE [OPTIONS…]
  local crate=$1
  shift
  echo "setup: building $crate (once, some minutes)"
  # It is built without optimisation: building it takes longer than all of its runs.
  cargo install --locked --quiet --debug "$@" "$crate" || fail "$crate cannot be installed; the network or the crate registry may be out of reach"
}

# Installs Zig, which is the C compiler and linker for musl and contains musl and LLVM's libunwind,
# and cargo-zigbuild, with which cargo uses Zig. Both are pinned: other versions make other bytes.
release_tools() {
  local folder
  folder=$(dirname "$0")/../target/release-tools/zig
  "$folder/bin/cargo-zigbuild" --version 2>/dev/null | grep -q "$ZIGBUILD" && "$folder/bin/python" -m ziglang version 2>/dev/null | grep -q "$ZIG" && return
  echo "setup: installing zig $ZIG and cargo-zigbuild $ZIGBUILD into target/release-tools"
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "ziglang==$ZIG" "cargo-zigbuild==$ZIGBUILD" ||
    fail "zig cannot be installed; the network or the package index may be out of reach"
}
ZIG=0.17.1 ZIGBUILD=0.24.1

# Installs typos, which checks spelling. It is pinned: other versions know other words.
lint_tools() {
  local folder
  folder=$(dirname "$0")/../target/lint-tools
  "$folder/bin/typos" --version 2>/dev/null | grep -qx "typos-cli $TYPOS" && return
  echo "setup: installing typos $TYPOS into target/lint-tools"
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "typos==$TYPOS" ||
    fail "typos cannot be installed; the network or the package index may be out of reach"
}
TYPOS=1.52.0

WANTED=$(missing | tr '\n' ' ')
if [ -n "$WANTED" ]; then
  echo "setup: installing $WANTED"
  RELEASE=()
  if backports_needed "$WANTED"; then
    add_backports
    RELEASE=(-t "$VERSION_CODENAME-backports")
  fi
  apt update -qq || echo "setup: apt-get update failed; trying with the lists that are there" >&2
  # shellcheck disable=SC2086
  if ! apt install -y -qq --no-install-recommends "${RELEASE[@]}" $WANTED >/dev/null; then
    fail "these Debian packages cannot be had from the configured mirrors: $(missing | tr '\n' ' ')"
  fi
fi

command -v cargo >/dev/null || fail "Rust is missing: install a toolchain with cargo, rustfmt and clippy"
case $1 in
  test) cargo_tool nextest cargo-nextest ;;
  lint) cargo_tool deny cargo-deny; lint_tools ;;
  fuzz) cargo_tool fuzz cargo-fuzz ;;
  # mdbook is built without its web server.
  book) command -v mdbook >/dev/null || build_tool mdbook --no-default-features --features search ;;
  release) release_tools ;;
esac
echo "setup: everything for '$1' is there"
