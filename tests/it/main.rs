//! Every test of the program from the outside, in one binary.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "tests write where they like, and their failure is a panic"
)]

mod base_catalogue;
mod base_fetch;
mod base_formats;
mod base_images;
mod base_support;
mod base_system;
mod boot_report;
mod boot_report_browser;
mod build_cli;
mod build_faults;
mod card_devices;
mod card_faults;
mod card_flash;
mod card_image_file;
mod card_real;
mod card_udisks;
mod cloud_init;
mod debian_base;
mod disk;
mod disk_hostile;
mod disk_nodes;
mod disk_state;
mod emulate_lan;
mod hostile;
mod image_format;
mod library;
mod oci_docker;
mod oci_real;
mod oci_registry;
mod oci_registry_faults;
mod oci_support;
mod oracle;
mod packages_archive;
mod packages_cli;
mod packages_closure;
mod packages_database;
mod packages_hostile;
mod packages_like_apt;
mod packages_made;
mod packages_refused;
mod packages_together;
mod packages_unpack;
mod provision;
mod provision_account;
mod provision_assets;
mod reproducible;
mod root_build;
mod spec_cluster;
mod spec_errors;
mod spec_schema;
mod stack_page;
mod status_lines;
mod store_docker;
mod swarm_bench;
mod swarm_cluster;
mod swarm_hostile;
mod swarm_keys_cli;
mod swarm_read;
mod swarm_stacks;
mod swarm_status;
mod swarm_support;
mod swarm_written;
mod verify_boot;
mod verify_cli;
mod workspace_cli;
