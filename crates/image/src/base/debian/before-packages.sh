#!/bin/bash
# Settings that packages read while they are installed: ROOT.
set -euo pipefail
R=$1
mkdir -p "$R/etc/initramfs-tools/conf.d" "$R/usr/share/initramfs-tools/modules.d" "$R/boot/firmware"
printf 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=3\n' > "$R/etc/initramfs-tools/conf.d/raspberry-pi"
# Enough to mount the root file system from a card (Pi 3, 4), from USB, and from a virtual disk.
cat > "$R/usr/share/initramfs-tools/modules.d/raspberry-pi" <<'MODULES'
bcm2835
sdhci_iproc
mmc_block
clk_raspberrypi
gpio_raspberrypi_exp
raspberrypi_cpufreq
reset_raspberrypi
dwc2
xhci_pci
pcie_brcmstb
usb_storage
uas
sd_mod
ext4
virtio_blk
virtio_pci
virtio_mmio
MODULES
