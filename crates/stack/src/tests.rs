//! What is translated and noted, and where no secret is.

use std::cell::RefCell;
use std::io;

use zeroize::Zeroizing;

use crate::keys::{SECTIONS, Support};
use crate::reader::taken;
use crate::{FileKind, Files, NodeRole, NodeTraits, PublishMode, Sources, Stack, StackErrors, parse};

/// Files that hold their own path.
struct Stub;

impl Files for Stub {
    fn read(&self, path: &str, _: FileKind, _: usize) -> io::Result<Zeroizing<Vec<u8>>> {
        match path {
            "none" => Err(io::ErrorKind::NotFound.into()),
            "empty" => Ok(Zeroizing::default()),
            "bad.env" => Ok(Zeroizing::new(b"OK=1\nhunter2 hunter3=x\n".to_vec())),
            path => Ok(Zeroizing::new(path.as_bytes().to_vec())),
        }
    }
}

pub(crate) fn read(text: &str) -> Result<Stack, StackErrors> {
    let sources = Sources {
        variables: &|name| (name == "SECRET").then(|| "hunter2".to_owned()),
        files: &Stub,
        passwords: &|request| Zeroizing::new(format!("{}/{}/{}", request.stack, request.secret, request.length)),
    };
    parse("compose.yaml", text, "shop", &sources)
}

/// A file with every key that is translated.
pub(crate) const EVERYTHING: &str = include_str!("everything.yaml");

#[test]
fn every_key_of_the_table_that_is_translated_is_read() {
    let stack = read(EVERYTHING).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(stack.notes, []);
    for section in SECTIONS {
        for key in section.keys.iter().filter(|key| key.support == Support::Translated) {
            assert!(
                taken::contains(section.path, key.name),
                "{} of {}",
                key.name,
                section.path
            );
        }
    }
}

#[test]
fn every_key_of_the_schema_and_of_the_specification_is_in_the_table() {
    // The properties of a service in config_schema_v3.13.json and in compose-spec.json.
    let known = "annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent cgroupns_mode command \
        configs container_name cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares \
        cpus cpuset credential_spec depends_on deploy develop device_cgroup_rules devices dns dns_opt dns_search \
        domainname entrypoint env_file environment expose extends external_links extra_hosts gpus group_add \
        healthcheck hostname image init ipc isolation label_file labels links logging mac_address mem_limit \
        mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable oom_score_adj pid \
        pids_limit platform ports post_start pre_stop privileged profiles provider pull_policy pull_refresh_after \
        read_only restart runtime scale secrets security_opt shm_size stdin_open stop_grace_period stop_signal \
        storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts volumes volumes_from working_dir";
    let service = SECTIONS.iter().find(|section| section.path == "services.NAME").unwrap();
    for name in known.split_whitespace() {
        assert!(service.find(name).is_some(), "{name}");
    }
    for section in SECTIONS {
        let mut names: Vec<_> = section.keys.iter().map(|key| key.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), section.keys.len(), "{} has a key twice", section.path);
        for key in section.keys {
            assert!(
                key.support == Support::Translated || !key.about.is_empty(),
                "{}",
                key.name
            );
        }
    }
}

#[test]
fn what_a_swarm_ignores_is_noted() {
    let text = "version: '3.9'\nservices:\n  web: {image: nginx, depends_on: [db], container_name: x}\n";
    let notes: Vec<String> = read(text).unwrap().notes.into_iter().map(|note| note.message).collect();
    assert_eq!(
        notes,
        [
            "`version` of the compose file has no effect: no Docker since 25 needs it; 20.10 does",
            "`depends_on` of services.web has no effect: a swarm starts all services at once: each must try again \
             until the others are there",
            "`container_name` of services.web has no effect: a swarm names the containers itself",
        ]
    );
}

/// What a user sees, with the whole file around each mistake.
fn render(errors: &StackErrors) -> String {
    let mut shown = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
        .with_context_lines(100)
        .render_report(&mut shown, errors)
        .unwrap();
    shown
}

#[test]
fn no_secret_is_in_an_error_or_in_what_is_shown() {
    let text = "services:\n  web:\n    image: $SECRET!\n    environment:\n      PASSWORD: hunter2\n      B: [x]\n    tty: $SECRET\n    env_file: bad.env\n";
    let errors = read(text).unwrap_err();
    let shown = render(&errors);
    assert!(shown.contains("PASSWORD") && shown.contains("`$SECRET!`"), "{shown}");
    assert!(!shown.contains("hunter"), "{shown}");
    for value in [
        "|\n        hunter1\n        hunter2",
        "\"a\\\"hunter\"",
        "'it''s hunter'",
        "a b\n        hunter",
        "\"a\n        hunter\"",
        ">-\n        hunter\n\n        hunter",
        "&a hunter",
    ] {
        let text = format!(
            "x-a: &env\n      PASSWORD: {value}\nservices:\n  web:\n    image: x\n    environment:\n      PASSWORD: {value}\n      B: [x]\n      C:\n        - y\n  all:\n    image: x\n    environment: *env\nx-b: {{$NONE: $NONE}}\n"
        );
        let shown = render(&read(&text).unwrap_err());
        assert!(!shown.contains("hunter"), "{shown}");
    }
    let text = "services:\n  web:\n    image: x\n    environment: [$SECRET, $SECRET]\n    dns: [$SECRET, $SECRET]\n    networks: [$SECRET]\n    labels: [\"$SECRET=1\", \"$SECRET=2\"]\n    user: [$SECRET]\n    stop_grace_period: $SECRET\n    ports: [$SECRET]\n    volumes: [\"$SECRET:/x\", \"/$SECRET:/$SECRET\", \"/a:/$SECRET\"]\n    secrets: [$SECRET, {source: $SECRET}]\n    extra_hosts: [\"a:$SECRET\"]\n";
    let shown = render(&read(text).unwrap_err());
    assert!(!shown.contains("hunter"), "{shown}");
    let broken = read("services:\n  web:\n    environment:\n      PASSWORD: \"hunter2\n").unwrap_err();
    let shown = render(&broken);
    assert!(!shown.contains("hunter"), "{shown}");
    let stack = read("services: {web: {image: x}}\nsecrets: {a: {x-kraken-generate: password}}\n").unwrap();
    assert_eq!(stack.secrets[0].data.reveal(), b"shop/a/32");
    assert!(!format!("{stack:?}").contains("shop/a/32"));
    assert!(!serde_json::to_string(&stack.secrets).unwrap().contains("Data"));
}

#[test]
fn images_are_pinned_and_the_label_keeps_what_is_written() {
    let text = "services:\n  a: {image: nginx}\n  b: {image: nginx}\n  c: {image: x}\n";
    let stack = read(text).unwrap();
    let images = stack.images();
    assert_eq!(images.len(), 2);
    assert_eq!(
        (
            images[0].reference.as_str(),
            images[0].services.len(),
            images[0].place.line
        ),
        ("nginx:latest", 2, 2)
    );
    let digest = "ab".repeat(32);
    let asked = RefCell::new(Vec::new());
    let pin = &mut |image: &str| {
        asked.borrow_mut().push(image.to_owned());
        Some(format!("{image}@sha256:{digest}"))
    };
    let objects = stack.clone().pinned(pin).unwrap();
    let service = &objects.services[0];
    assert_eq!(
        service.task_template.container_spec.image,
        format!("nginx:latest@sha256:{digest}")
    );
    assert_eq!(service.labels["com.docker.stack.image"], "nginx");
    let refused = stack.clone().pinned(&mut |image| Some(image.to_owned())).unwrap_err();
    assert_eq!(refused.to_string(), "pinning the image `nginx:latest` of the service a");
    assert!(stack.pinned(&mut |_| None).unwrap_err().help().is_some());
}

#[test]
fn the_facts_of_a_service_are_known() {
    let stack = read(EVERYTHING).unwrap();
    let service = &stack.services[0].spec;
    let ports: Vec<_> = service.published_ports().collect();
    assert_eq!(
        (ports[0].published, ports[0].target, ports[0].mode),
        (Some(8080), 80, PublishMode::Host)
    );
    let volumes: Vec<_> = service.named_volumes().collect();
    assert_eq!(
        (volumes[0].name, volumes[0].target, volumes[0].is_local),
        ("shop_data", "/data", false)
    );
    assert_eq!(service.memory().limit, Some(64 << 20));
    assert_eq!(service.memory().reservation, Some(32 << 20));
    let none = Default::default();
    let mut node = NodeTraits {
        id: "x",
        hostname: "pi-1",
        address: None,
        role: NodeRole::Manager,
        labels: &none,
        engine_labels: &none,
        architecture: "aarch64",
    };
    assert!(service.is_constrained() && service.may_run_on(&node));
    node.role = NodeRole::Worker;
    assert!(!service.may_run_on(&node));
    assert_eq!(service.tasks(7), 2);
}
