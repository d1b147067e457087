//! Accounts and groups of the system: those of Debian's base-passwd, of systemd and udev, and of
//! Raspberry Pi OS with and without a desktop.

/// Sorted. An image may have more of them: when an account is made, the image's own tables are
/// read, too.
const TAKEN: &str = "\
    adm audio avahi backup bin bluetooth cdrom clock colord crontab daemon dhcpcd dialout dip disk dnsmasq docker fax floppy \
    fwupd-refresh games gdm geoclue gpio i2c input irc kmem kvm lightdm list lp lpadmin mail man messagebus netdev news nobody \
    nogroup nut operator plugdev polkitd proxy pulse pulse-access rdma render root rpi-first-boot-wizard rtkit saned sasl scanner \
    sgx shadow spi src ssh sshd ssl-cert staff statd sudo sync sys systemd-coredump systemd-journal systemd-network \
    systemd-resolve systemd-timesync tape tss tty users utmp uucp uuidd video voice www-data";

/// Returns whether an account or a group of that name exists already.
pub(super) fn is_taken(name: &str) -> bool {
    TAKEN.split_whitespace().any(|taken| taken == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_whole_words_each_once() {
        let names: Vec<&str> = TAKEN.split_whitespace().collect();
        assert!(names.is_sorted_by(|one, other| one < other), "{names:?}");
        for name in [
            "root",
            "kvm",
            "render",
            "sgx",
            "www-data",
            "systemd-journal",
            "sudo",
            "docker",
        ] {
            assert!(is_taken(name), "{name}");
        }
        for name in ["", "kraken", "pi", "admin", "ubuntu", "adm audio"] {
            assert!(!is_taken(name), "{name}");
        }
    }
}
