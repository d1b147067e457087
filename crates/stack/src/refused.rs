//! What is refused, with its place and in which words.

use crate::tests::read;

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
            "3:5 services.web has two files or mounts at the same place",
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
            "4:41 services.web.deploy.resources.limits.cpus must be a text, this is a decimal number",
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
fn what_is_noted_must_have_the_right_form_all_the_same() {
    for (lines, want) in [
        (
            "depends_on: {db: {condition: service_healthy}}",
            "4:17 services.web.depends_on must be a list, this is a mapping",
        ),
        ("links: [a, a]", "4:16 services.web.links has `a` twice"),
        (
            "container_name: 1",
            "4:21 services.web.container_name must be a text, this is a number",
        ),
        ("cap_add: [CHOWN, CHOWN]", "4:22 services.web.cap_add has `CHOWN` twice"),
        (
            "expose: [true]",
            "4:14 services.web.expose must be a text, this is a boolean",
        ),
    ] {
        assert_eq!(service(lines), [want], "{lines}");
    }
}
