//! Which keys `kraken.toml` has, section by section; everything that is wrong is noted instead of stopping at the first.

use std::ops::Range;

use toml::de::DeTable;

use super::problem::{Problem, Problems};
use super::raw::{
    RawApt, RawCluster, RawConfig, RawDocker, RawImage, RawKeyboard, RawNetwork, RawNode, RawSwarm, RawSystem, RawUser,
};
use super::section::Section;

/// Reads a whole spec.
pub(super) fn config(text: &str, problems: &mut Problems) -> RawConfig {
    let (document, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        // What was recovered is a guess; more mistakes found in a guess would mislead.
        for error in syntax {
            let span = error.span().unwrap_or(text.len()..text.len());
            let problem = Problem::new(format!("this is not TOML: {}", error.message()));
            problems.push(
                problem
                    .at(span, "here")
                    .help("strings stand in quotes, each key on a line of its own: https://toml.io/en/v1.0.0"),
            );
        }
        return RawConfig::default();
    }
    let mut top = Section::new("", document.get_ref(), problems);
    let config = RawConfig {
        cluster: top.section("cluster", cluster),
        network: top.section("network", network),
        image: top.section("image", image),
        user: top.section("user", user),
        system: top.section("system", system),
        docker: top.section("docker", docker),
        apt: top.section("apt", apt),
        swarm: top.section("swarm", swarm),
        node: top.sections("node", node),
    };
    top.finish();
    config
}

fn cluster(section: &mut Section<'_, '_>) -> RawCluster {
    RawCluster {
        name: section.string("name"),
        nodes: section.number("nodes"),
    }
}

fn network(section: &mut Section<'_, '_>) -> RawNetwork {
    RawNetwork {
        subnet: section.string("subnet"),
        first_address: section.string("first-address"),
        gateway: section.string("gateway"),
        dns: section.strings("dns"),
        search: section.strings("search"),
        interface: section.choice("interface"),
    }
}

fn image(section: &mut Section<'_, '_>) -> RawImage {
    RawImage {
        base: section.string("base"),
        sha256: section.string("sha256"),
        catalogue: section.string("catalogue"),
        mirror: section.string("mirror"),
        used: section.choice("used"),
    }
}

fn user(section: &mut Section<'_, '_>) -> RawUser {
    RawUser {
        name: section.string("name"),
        groups: section.strings("groups"),
        ssh_keys: section.strings("ssh-keys"),
        password_hash_file: section.string("password-hash-file"),
        sudo: section.choice("sudo"),
    }
}

fn system(section: &mut Section<'_, '_>) -> RawSystem {
    RawSystem {
        timezone: section.string("timezone"),
        locale: section.string("locale"),
        keyboard: section.section("keyboard", keyboard),
        packages: section.strings("packages"),
        debs: section.strings("debs"),
        packages_on_first_boot: section.strings("packages-on-first-boot"),
        overlay: section.string("overlay"),
        clock_floor: section.time("clock-floor"),
        tell: section.boolean("tell"),
    }
}

fn docker(section: &mut Section<'_, '_>) -> RawDocker {
    RawDocker {
        source: section.choice("source"),
        packages: section.strings("packages"),
        archive: section.string("archive"),
        key_file: section.string("key-file"),
        key_fingerprint: section.string("key-fingerprint"),
        user_in_group: section.boolean("user-in-group"),
        daemon: section.options("daemon"),
    }
}

fn apt(section: &mut Section<'_, '_>) -> RawApt {
    RawApt {
        mirrors: section.map("mirrors"),
        proxy: section.string("proxy"),
        recommends: section.boolean("recommends"),
    }
}

fn swarm(section: &mut Section<'_, '_>) -> RawSwarm {
    RawSwarm {
        mode: section.choice("mode"),
        managers: section.number("managers"),
        drain_managers: section.boolean("drain-managers"),
        address_pools: section.strings("address-pools"),
        subnet_size: section.number("subnet-size"),
        data_port: section.number("data-port"),
        keys_file: section.string("keys-file"),
    }
}

fn keyboard(section: &mut Section<'_, '_>) -> RawKeyboard {
    RawKeyboard {
        model: section.string("model"),
        layout: section.string("layout"),
        variant: section.string("variant"),
    }
}

fn node(section: &mut Section<'_, '_>, span: Range<usize>) -> RawNode {
    RawNode {
        number: section.number("number"),
        hostname: section.string("hostname"),
        address: section.string("address"),
        role: section.choice("role"),
        board: section.choice("board"),
        mac: section.string("mac"),
        labels: section.map("labels"),
        availability: section.choice("availability"),
        span,
    }
}
