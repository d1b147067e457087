//! What is refused and noted, and in which words.

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

/// The mistakes in a service with these lines, as `line:column message`.
fn service(lines: &str) -> Vec<String> {
    all(&format!(
        "services:\n  web:\n    image: nginx\n{}",
        lines.lines().map(|line| format!("    {line}\n")).collect::<String>()
    ))
}

fn all(text: &str) -> Vec<String> {
    match read(text) {
        Ok(_) => Vec::new(),
        Err(errors) => {
            let problems = errors.problems().iter();
            let shown = problems.map(|problem| {
                let place = problem.place();
                assert!(problem.hint().is_some(), "{problem} has no help");
                format!("{}:{} {problem}", place.line, place.column)
            });
            shown.collect()
        }
    }
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
fn what_would_change_its_meaning_is_refused_with_its_place() {
    for (lines, want) in [
        (
            "privileged: true",
            "4:5 `privileged` of services.web is not supported: a swarm ignores it; `cap_add` gives single capabilities",
        ),
        ("imagee: x", "4:5 services.web has the unknown key `imagee`"),
        ("user: 1000", "4:11 services.web.user must be a text, this is a number"),
        ("tty: yes", "4:10 services.web.tty must be true or false"),
        ("tty: \"true\"", "4:10 services.web.tty must be true or false"),
        (
            "environment: {A: true}",
            "4:22 `A` of services.web.environment is a boolean, and Docker takes only texts and numbers",
        ),
        (
            "environment: {A: 0444}",
            "4:22 `A` of services.web.environment is a number that Docker would write in another way",
        ),
        ("environment: [A=1, A=2]", "4:24 services.web.environment has `A` twice"),
        (
            "env_file: none",
            "4:15 reading the file of environment variables none: entity not found",
        ),
        ("env_file: bad.env", "4:15 line 2 of bad.env does not begin with a name"),
        (
            "restart: \"no\"",
            "4:14 services.web.restart is `no`, and Docker would restart the tasks all the same",
        ),
        ("restart: sometimes", "4:14 services.web.restart cannot be `sometimes`"),
        (
            "command: echo \"x",
            "4:14 services.web.command ends within quotes or after a backslash",
        ),
        (
            "ports: [\"127.0.0.1:80:80\"]",
            "4:13 `127.0.0.1:80:80` names an address, and a swarm publishes on all addresses of a node",
        ),
        ("ports: [\"80-90:80-91\"]", "4:13 `80-90:80-91` is not a port"),
        (
            "ports: [\"1-2000:1-2000\"]",
            "4:13 `1-2000:1-2000` has more than 1024 ports",
        ),
        (
            "ports: [\"80:80\", \"80:81\"]",
            "4:22 services.web.ports publishes port 80 twice",
        ),
        (
            "ports: [{published: 80}]",
            "4:13 services.web.ports has a port without `target`",
        ),
        (
            "ports: [{target: 80, published: \"80\"}]",
            "4:37 services.web.ports.published must be a whole number, this is a text",
        ),
        (
            "volumes: [\"./data:/data\"]",
            "4:15 services.web.volumes mounts a folder of the node whose path is not absolute",
        ),
        (
            "volumes: [\"data:/data\"]",
            "4:15 services.web.volumes mounts the volume `data`, which is not declared",
        ),
        (
            "volumes: [\"/data:/data:z\"]",
            "4:15 `/data:/data:z` has the option `z`, which a swarm ignores",
        ),
        (
            "volumes: [\"d:/data\"]",
            "4:15 `d:/data` begins with a single letter, which Docker takes for a drive of Windows",
        ),
        (
            "volumes: [\"/a:/x\", \"/b:/x\"]",
            "3:5 services.web has two files or mounts at /x",
        ),
        (
            "volumes: [{type: tmpfs, target: /x, bind: {}}]",
            "4:15 services.web.volumes has options of `bind` at a mount of the type `tmpfs`",
        ),
        (
            "networks: [front]",
            "4:16 services.web.networks names the network `front`, which is not declared",
        ),
        (
            "networks: {default: {ipv4_address: 10.0.0.1}}",
            "4:26 `ipv4_address` of services.web.networks.default is not supported: a swarm ignores it: tasks get their addresses from Docker",
        ),
        (
            "secrets: [key]",
            "4:15 services.web.secrets names `key`, which is not declared",
        ),
        (
            "deploy: {mode: global, replicas: 2}",
            "4:38 services.web.deploy.replicas stands beside `mode: global`, which has one task on each node",
        ),
        (
            "deploy: {placement: {constraints: [node.role = x]}}",
            "4:40 the placement constraint cannot be fulfilled: it has neither `==` nor `!=`",
        ),
        (
            "deploy: {resources: {limits: {memory: 1M}}}",
            "4:43 services.web.deploy.resources.limits.memory cannot be `1M`",
        ),
        (
            "deploy: {resources: {limits: {cpus: 0.5}}}",
            "4:41 services.web.deploy.resources.limits.cpus must be a text, this is a number",
        ),
        (
            "deploy: {update_config: {max_failure_ratio: 2}}",
            "4:49 services.web.deploy.update_config.max_failure_ratio must be a number from 0 to 1",
        ),
        (
            "deploy: {endpoint_mode: dnsrr}\nports: [\"80:80\"]",
            "3:5 services.web has `endpoint_mode: dnsrr` and a port in ingress mode",
        ),
        (
            "healthcheck: {disable: true, test: x}",
            "4:18 services.web.healthcheck has both `test` and `disable`",
        ),
        (
            "healthcheck: {test: [curl]}",
            "4:25 services.web.healthcheck.test is a list that does not begin with CMD, CMD-SHELL or NONE",
        ),
        (
            "healthcheck: {interval: 1us}",
            "4:29 services.web.healthcheck.interval is shorter than 1ms",
        ),
        (
            "stop_grace_period: 10",
            "4:24 services.web.stop_grace_period must be a text, this is a number",
        ),
        ("hostname: $NONE", "4:15 the variable `NONE` is not set"),
        (
            "depends_on: [db]\nlabels: [com.docker.stack.image=x]",
            "5:14 services.web.labels has `com.docker.stack.image`, which Docker sets itself",
        ),
    ] {
        assert_eq!(service(lines), [want], "{lines}");
    }
}

#[test]
fn what_is_wrong_at_the_top_level_is_refused_with_its_place() {
    let web = "services: {web: {image: nginx}}\n";
    for (text, want) in [
        (
            "networks: {a: {external: true}}",
            "2:16 `external` of networks.a is not supported: nothing external exists when a cluster boots for the first time",
        ),
        (
            "networks: {a: {driver: bridge}}",
            "2:24 networks.a.driver cannot be `bridge`",
        ),
        (
            "volumes: {a: {driver: rexray}}",
            "2:23 volumes.a.driver cannot be `rexray`",
        ),
        ("secrets: {a: {}}", "2:11 secrets.a has no content"),
        (
            "secrets: {a: {file: empty}}",
            "2:21 the secret empty is empty, which Docker refuses",
        ),
        (
            "secrets: {a: {file: x, x-kraken-generate: password}}",
            "2:43 secrets.a has both `file` and `x-kraken-generate`",
        ),
        (
            "secrets: {a: {x-kraken-generate: key}}",
            "2:34 secrets.a.x-kraken-generate cannot be `key`",
        ),
        (
            "secrets: {a: {x-kraken-generate: password, x-kraken-length: 4}}",
            "2:61 secrets.a.x-kraken-length cannot be 4",
        ),
        ("configs: {a: {content: x}}", "2:11 configs.a has no `file`"),
        (
            "name: x",
            "2:1 `name` of the compose file is not supported: `docker stack deploy` refuses it; the stack's name is in kraken.toml",
        ),
    ] {
        let found = all(&format!("{web}{text}\n"));
        assert!(found.contains(&want.to_owned()), "{text}: {found:?}");
    }
    assert_eq!(all("services: {}\n"), ["1:11 there are no services"]);
    assert_eq!(all("volumes:\n"), ["1:1 volumes must be a mapping, this is nothing"]);
    assert_eq!(all("x-a: 1\n"), ["1:1 the compose file has no services"]);
    assert_eq!(all("[]\n"), ["1:1 the compose file must be a mapping, this is a list"]);
    let two = "services:\n  a: {image: x, ports: [\"80:80\"]}\n  b: {image: x, ports: [\"80:1\"]}\n";
    assert_eq!(all(two), ["3:3 the services a and b both publish port 80/tcp"]);
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

#[test]
fn no_secret_is_in_an_error_or_in_what_is_shown() {
    let text = "services:\n  web:\n    image: $SECRET!\n    environment:\n      PASSWORD: hunter2\n      B: [x]\n    tty: $SECRET\n    env_file: bad.env\n";
    let errors = read(text).unwrap_err();
    let mut shown = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
        .render_report(&mut shown, &errors)
        .unwrap();
    assert!(shown.contains("PASSWORD") && shown.contains("`$SECRET!`"), "{shown}");
    assert!(!shown.contains("hunter"), "{shown}");
    let broken = read("services:\n  web:\n    environment:\n      PASSWORD: \"hunter2\n").unwrap_err();
    let mut shown = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
        .render_report(&mut shown, &broken)
        .unwrap();
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
