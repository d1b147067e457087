#!/bin/bash
# The part of tools/release-test.sh that runs inside the clean tree, as its root. The package and a
# small base image are beside this script.
set -euo pipefail
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

fail() { echo "release-test: $*" >&2; exit 1; }
installed() { dpkg-query -W -f '${Package}\n' | LC_ALL=C sort; }
# Prints all paths, except those that dpkg, apt and man-db write for every package.
everything() {
  find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /test -o -path /tmp -o -path /run -o -path /var/lib/dpkg -o -path /var/log \
    -o -path /var/cache -o -path /var/lib/apt \) -prune -o -print | LC_ALL=C sort
}
# Runs a command as an ordinary user, in the user's home directory.
as_user() { (cd "$HOME_OF_USER" && setpriv --reuid=1000 --regid=1000 --clear-groups env HOME="$HOME_OF_USER" "$@"); }

# The dependency of the package is installed first: Debian 13 keeps a package of priority "required"
# even when no other package needs it.
apt-get -qq install --no-install-recommends e2fsprogs >/dev/null
installed > /test/packages-before
everything > /test/before

apt-get -qq install --no-install-recommends /test/kraken-flash.deb >/dev/null
VERSION=$(dpkg-query -W -f '${Version}' kraken-flash)
[ "$(kraken-flash --version)" = "kraken-flash ${VERSION%-*}" ] || fail "another version"

HOME_OF_USER=/test/home
install -d -o 1000 -g 1000 "$HOME_OF_USER"
install -m 644 /test/base.img.zst "$HOME_OF_USER/small.img.zst"
as_user kraken-flash plan > /test/plan
grep -qE 'kraken-7 +192\.168\.3\.17 +worker' /test/plan || fail "plan does not show the seven nodes: $(cat /test/plan)"
as_user sh -c 'cat > kraken.toml' <<'TOML'
[cluster]
nodes = 2
[image]
base = "small.img.zst"
[docker]
source = "none"
[user]
name = "kraken"
ssh-keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIILJtOT2IkvLhtZGAtx8CVJvHPRJTQPRjQ4SLmcBWYME me@home"]
TOML
as_user kraken-flash build --base ./small.img.zst --offline --quiet
as_user kraken-flash verify --quiet || fail "the images are not what kraken.toml asks for"
[ "$(stat -c '%U %a' "$HOME_OF_USER/images/kraken-2.img")" = "UNKNOWN 600" ] || fail "an image has the wrong owner or mode"

for page in kraken-flash kraken-flash-build kraken-flash-verify; do
  man --pager=cat --warnings "$page" > /test/page 2> /test/page-warnings || fail "no manual page $page"
  [ ! -s /test/page-warnings ] || fail "$page: $(cat /test/page-warnings)"
  grep -q 'EXAMPLES' /test/page || fail "the page of $page has no examples"
done
[[ $(whatis kraken-flash-build) == *images* ]] || fail "whatis does not know kraken-flash-build"
COMPLETE=$(bash -c '. /usr/share/bash-completion/bash_completion
  _comp_load kraken-flash 2>/dev/null || _completion_loader kraken-flash || true
  complete -p kraken-flash') || fail "bash has no completions"
[[ $COMPLETE == *_kraken* ]] || fail "bash has other completions: $COMPLETE"
for file in /usr/share/zsh/vendor-completions/_kraken-flash /usr/share/fish/vendor_completions.d/kraken-flash.fish \
  /usr/share/doc/kraken-flash/README.Debian /usr/share/doc/kraken-flash/copyright /usr/share/doc/kraken-flash/THIRD-PARTY.gz; do
  [ -s "$file" ] || fail "$file is missing"
done
(cd / && md5sum --check --quiet /var/lib/dpkg/info/kraken-flash.md5sums) || fail "files are not those of the package"

apt-get -qq purge kraken-flash >/dev/null
installed | diff /test/packages-before - || fail "packages are left, or gone"
everything | diff /test/before - || fail "files are left, or gone"
echo "release-test: installed, used as a user, removed, nothing left"
