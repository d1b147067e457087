#!/bin/bash
# Makes the installed tree what Raspberry Pi OS Lite is on its card: ROOT.
# Sources: pi-gen's export-image and stage2/04-cloud-init, rpi-cloud-init-mods, raspberrypi-sys-mods, raspberrypi-net-mods.
set -euo pipefail
R=$1 ID=${INPUTS:0:8}
echo "stage: setting the system up"

put() { # put PATH [MODE] < content
  mkdir -p "$(dirname "$R$1")"
  cat > "$R$1"
  chmod "${2:-644}" "$R$1"
}

put /etc/hostname <<< raspberrypi
put /etc/hosts <<'F'
127.0.0.1	localhost
::1		localhost ip6-localhost ip6-loopback
ff02::1		ip6-allnodes
ff02::2		ip6-allrouters

127.0.1.1	raspberrypi
F
put /etc/fstab <<F
proc            /proc           proc    defaults          0       0
PARTUUID=$ID-01  /boot/firmware  vfat    defaults          0       2
PARTUUID=$ID-02  /               ext4    defaults,noatime  0       1
F

# cloud-init reads its seed from the boot partition, leaves the host keys alone, and renders for NetworkManager.
set_up_cloud_init() {
  local unit
  put /etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg <<'F'
datasource_list: [ NoCloud, None ]
datasource:
  NoCloud:
    seedfrom: file:///boot/firmware
ssh:
  emit_keys_to_console: false
ssh_deletekeys: false
ssh_genkeytypes: []
disable_fallback_netcfg: true
system_info:
  default_user:
    name: pi
    groups: [adm, dialout, cdrom, audio, users, sudo, video, games, plugdev, input, netdev, render]
  network:
    renderers: ['netplan', 'network-manager']
    activators: ['netplan', 'network-manager']
F
  for unit in cloud-init-main.service cloud-init-local.service; do
    printf '[Unit]\nRequiresMountsFor=/boot/firmware\n' | put "/etc/systemd/system/$unit.d/10-boot-firmware.conf"
  done
  printf 'network:\n  version: 2\n  renderer: NetworkManager\n' | put /etc/netplan/00-network-manager-all.yaml 600
}
[ ! -d "$R/etc/cloud" ] || set_up_cloud_init

# Interfaces keep the kernel's names: eth0, eth1, in the order they are found.
mkdir -p "$R/etc/systemd/network"
ln -sf /dev/null "$R/etc/systemd/network/99-default.link"
ln -sf /dev/null "$R/etc/systemd/network/73-usb-net-by-mac.link"

# sshd is off until the user asks for it; the host keys are made on the first boot.
put /etc/systemd/system-preset/10-raspberry-pi.preset <<'F'
disable ssh.service
disable ssh.socket
disable systemd-networkd.service
disable systemd-networkd.socket
disable systemd-networkd-wait-online.service
F
put /etc/systemd/system/regenerate_ssh_host_keys.service <<'F'
[Unit]
Description=Regenerate SSH host keys
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A
[Install]
WantedBy=multi-user.target
F
chroot "$R" systemctl disable ssh.service ssh.socket systemd-networkd.service systemd-networkd.socket \
  systemd-networkd-wait-online.service
chroot "$R" systemctl enable regenerate_ssh_host_keys.service
rm -f "$R"/etc/ssh/ssh_host_*

chroot "$R" useradd -m -s /bin/bash -G adm,dialout,cdrom,audio,users,sudo,video,games,plugdev,input,netdev,render pi
chroot "$R" passwd -q -l root

# What differs from run to run, or belongs to the time before the first boot.
# Recommended packages are installed on Raspberry Pi OS; mmdebstrap's own settings do not stay.
rm -f "$R/etc/apt/apt.conf.d/99mmdebstrap"
printf 'Acquire::Languages "none";\n' | put /etc/apt/apt.conf.d/99-no-translations
# With an empty file the first start does not count as a first boot (machine-id(5)), on which systemd
# decides for each unit whether to enable it: 20 s in QEMU. No unit here waits for a first boot.
: > "$R/etc/machine-id"
rm -rf "$R"/var/lib/apt/lists/* "$R"/var/cache/apt/*.bin "$R"/var/cache/ldconfig/* "$R/var/lib/dbus/machine-id" \
  "$R"/var/cache/debconf/*-old "$R"/var/lib/dpkg/*-old "$R"/etc/*- "$R/var/lib/systemd/random-seed" \
  "$R"/var/cache/man "$R"/root/.cache "$R/etc/resolv.conf" "$R"/tmp/* "$R"/var/tmp/* "$R"/run/*
find "$R/var/log" -type f -delete

echo "stage: checking the packages"
[ -z "$(dpkg --root="$R" --audit)" ] || { dpkg --root="$R" --audit >&2; exit 1; }
BAD=$(dpkg-query --admindir="$R/var/lib/dpkg" -W -f '${db:Status-Status} ${Package}\n' | grep -v '^installed ' || true)
[ -z "$BAD" ] || { echo "not installed: $BAD" >&2; exit 1; }
[ -z "$(dpkg-divert --root="$R" --list '*.emulated')" ] || { echo "a diversion was left behind" >&2; exit 1; }
for module in bonding ax88179_178a r8152 smsc95xx lan78xx cdc_ether virtio_net; do
  find "$R/lib/modules" -name "$module.ko*" | grep -q . || { echo "the kernel has no module $module" >&2; exit 1; }
done
