#!/bin/sh
# Checks rendered cloud-init files with cloud-init's own schema and its own parser of network
# configurations. Both are those of Debian's current release; the package is unpacked, not
# installed.
#
#   cloud-init-schema.sh FOLDER
#
# FOLDER has FOLDER/<case>/{user-data,network-config}. The script exits with 0 when every file is
# valid without a warning.
#
# It needs apt-get, dpkg-deb and Debian's python3-jsonschema python3-yaml python3-configobj
# python3-jinja2 python3-requests python3-oauthlib python3-serial python3-jsonpatch. It downloads
# the package once, from the host's own mirror.
set -eu
export PATH=/usr/bin:/usr/sbin:/bin:/sbin LC_ALL=C.UTF-8
SUITE=trixie
CACHE=${KRAKEN_FLASH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kraken-flash}/cloud-init-$SUITE
die() { echo "cloud-init-schema: $*" >&2; exit 2; }

[ $# -eq 1 ] && [ -d "$1" ] || die "give one folder with the files to check"
for module in jsonschema yaml configobj jinja2 requests oauthlib serial jsonpatch; do
    python3 -W ignore -c "import $module" 2>/dev/null || die "python3-$module is missing: apt-get install python3-$module"
done

fetch() {
    site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' | sort -u | grep -v security | head -n 1)
    # When the package lists were deleted, apt can still print the addresses that it would fetch.
    [ -n "$site" ] || site=$(apt-get update --print-uris | sed -n "s|^'\\(.*/debian\\)/dists/[^/]*/InRelease'.*|\\1|p" | head -n 1)
    [ -n "$site" ] || die "no Debian mirror in the host's apt sources: run apt-get update"
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e "$keys" ] || die "debian-archive-keyring is missing: apt-get install debian-archive-keyring"
    work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/parts" "$work/out"
    echo "deb [signed-by=$keys] $site $SUITE main" > "$work/sources.list"
    : > "$work/status"
    cat > "$work/apt.conf" <<C
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "$work/parts";
Dir::Etc::preferencesparts "$work/parts";
Dir::Etc::preferences "/dev/null";
Dir::State::Lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
APT::Sandbox::User "$(id -un)";
C
    APT_CONFIG="$work/apt.conf" apt-get -qq update >&2 || die "the package lists of $SUITE could not be had"
    (cd "$work" && APT_CONFIG="$work/apt.conf" apt-get -qq download cloud-init >&2) || die "the package cloud-init could not be had"
    dpkg-deb -x "$work"/cloud-init_*.deb "$work/out"
    rm -rf "$CACHE"
    mv "$work/out" "$CACHE"
}
mkdir -p "$(dirname "$CACHE")"
# Two checks at the same time would download the package twice, and the second would delete the
# folder that the first one uses.
exec 9> "$CACHE.lock"
flock 9
[ -e "$CACHE/usr/lib/python3/dist-packages/cloudinit/config/schema.py" ] || fetch
exec 9>&-

# Calls the function behind `cloud-init schema`, in one process for all files: a start takes a
# second.
PYTHONPATH="$CACHE/usr/lib/python3/dist-packages" exec python3 -W ignore - "$1" <<'P'
import pathlib
import sys

import yaml
from cloudinit.config import schema
from cloudinit.net import netplan, network_state

# If the host has netplan, cloud-init would leave the network configuration to it, and check
# nothing.
netplan.available = lambda *_, **__: False
schema.netplan_validate_network_schema = lambda *_, **__: False

checked = bad = 0
for case in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    for name, kind in (("user-data", schema.SchemaType.CLOUD_CONFIG), ("network-config", schema.SchemaType.NETWORK_CONFIG)):
        path = case / name
        if not path.exists():
            continue
        checked += 1
        try:
            if not path.read_text().startswith("#cloud-config\n") and name == "user-data":
                raise ValueError("the first line is not #cloud-config")
            config = yaml.safe_load(path.read_text())
            rules = schema.get_schema(kind)
            if name == "network-config":
                config = config["network"]
                rules = schema.get_schema(schema.SchemaType.NETWORK_CONFIG_V2)
            # strict: deprecated keys are errors, too, because they fail in a later release.
            if schema.validate_cloudconfig_schema(config, rules, kind, strict=True) is False:
                raise ValueError("cloud-init could not check it")
            if name == "network-config":
                # The schema accepts some files on which cloud-init's own renderers fail.
                state = network_state.parse_net_config_data(config, skip_broken=False)
                if not list(state.iter_interfaces()):
                    raise ValueError("cloud-init sees no interface in it")
        except (schema.SchemaValidationError, RuntimeError, ValueError, KeyError) as error:
            bad += 1
            print(f"{path}: {error!r}", file=sys.stderr)
print(f"cloud-init schema: {checked} files checked, {bad} wrong")
sys.exit(1 if bad or not checked else 0)
P
