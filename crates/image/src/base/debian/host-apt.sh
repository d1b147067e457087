#!/bin/bash
# Brings what belongs to this host, and not to the image, into a tree and out again: ROOT in|out.
# That is apt's proxies, the speed of throw-away writes, the PATH of the native tools, and the kept packages.
set -euo pipefail
R=$1 ARCHIVES="$1/var/cache/apt/archives"
APT_FRAGMENT="$R/etc/apt/apt.conf.d/00host" DPKG_FRAGMENT="$R/etc/dpkg/dpkg.cfg.d/00host"

case $2 in
  in)
    mkdir -p "$ARCHIVES" "$R/etc/apt/apt.conf.d" "$R/etc/dpkg/dpkg.cfg.d"
    [ ! -s "$PROXY_CONF" ] || cp "$PROXY_CONF" "$APT_FRAGMENT"
    [ -z "${NATIVE:-}" ] || echo 'DPkg::Path "/.native/bin:/usr/sbin:/usr/bin:/sbin:/bin";' >> "$APT_FRAGMENT"
    echo force-unsafe-io > "$DPKG_FRAGMENT"
    find "$DEBS" -maxdepth 1 -name '*.deb' -exec cp --reflink=auto -t "$ARCHIVES" -- {} +
    ;;
  out)
    find "$ARCHIVES" -maxdepth 1 -name '*.deb' -exec cp -n --reflink=auto -t "$DEBS" -- {} +
    rm -rf "$APT_FRAGMENT" "$DPKG_FRAGMENT" "$ARCHIVES"/*.deb
    ;;
esac
