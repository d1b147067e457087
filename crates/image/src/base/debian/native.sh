#!/bin/bash
# Lends a foreign tree the interpreters and tools of this machine's architecture, and takes them back: ROOT in|again|out.
# Programs found through PATH come from /.native/bin; interpreters that scripts name by path are diverted.
# Whatever asks for the architecture (uname, dpkg, ldconfig, systemctl) stays emulated.
set -euo pipefail
R=$1
LIBS=usr/lib/x86_64-linux-gnu
# The names that their packages have: dpkg diverts no other.
BIN=usr/bin
[ "$SUITE" != bookworm ] || BIN=bin
INTERPRETERS="$BIN/dash $BIN/bash usr/bin/perl${PYTHON:+ usr/bin/python$PYTHON}"
TOOLS="[ awk:mawk basename bash cat chgrp chmod chown cmp comm cp cpio cut date dd depmod:kmod dircolors dirname
dpkg-deb dpkg-split du echo env expr false find flock getopt grep egrep fgrep gzip head id install insmod:kmod join ln ls
lsmod:kmod mawk md5sum mkdir mkfifo mknod mktemp modinfo:kmod modprobe:kmod mountpoint mv nl od openssl paste perl
printf pwd readlink realpath rm rmdir rmmod:kmod run-parts sed seq sh:dash sha256sum sleep sort stat tail tar tee test
touch tr true tsort uniq wc which:which.debianutils xargs zstd"

lend() {
  local tool name source file
  mkdir -p "$R/.native/bin" "$R/$LIBS"
  cp -a "$NATIVE/$LIBS/." "$R/$LIBS/"
  # The loader as a file: initramfs.sh moves the libraries that the package's link points to.
  mkdir -p "$R/usr/lib64"
  cp -L "$NATIVE/$LIBS"/ld-linux-* "$R/usr/lib64/"
  ln -sfn usr/lib64 "$R/lib64"
  for tool in $TOOLS; do
    name=${tool%%:*} source=${tool##*:}
    for file in "$NATIVE/usr/bin/$source" "$NATIVE/usr/sbin/$source"; do
      [ ! -f "$file" ] || cp -L "$file" "$R/.native/bin/$name"
    done
    [ -e "$R/.native/bin/$name" ] || echo "no native $name"
  done
  for file in $INTERPRETERS; do
    dpkg-divert --root="$R" --local --rename --divert "/$file.emulated" --add "/$file"
    cp -L "$NATIVE/$file" "$R/$file"
  done
  # One initramfs at the end, not one for each package that has a word in it.
  printf '#!/bin/sh\nexit 0\n' > "$R/.native/bin/update-initramfs"
  chmod 755 "$R/.native/bin/update-initramfs"
}

take_back() {
  local file
  for file in $INTERPRETERS; do
    rm -f "$R/$file"
    dpkg-divert --root="$R" --local --rename --divert "/$file.emulated" --remove "/$file"
  done
  rm -rf "$R/.native" "${R:?}/$LIBS" "$R/usr/lib64" "$R/lib64"
  chroot "$R" /usr/bin/true
}

# bookworm's usr-is-merged takes the link away: arm64 has no lib64 of its own.
lend_again() {
  [ -e "$R/lib64" ] || ln -s usr/lib64 "$R/lib64"
}

case $2 in
  in) lend ;;
  again) lend_again ;;
  out) take_back ;;
esac
