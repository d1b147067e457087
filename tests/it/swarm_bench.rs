//! The test bench for swarms itself: a swarm that is made as in the manual, on nodes that fail and
//! come back, and nothing left of it afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::swarm::{Bench, Engine, IMAGE, Node};
use testkit::world::mode;
use testkit::{output, run, said};

const MINUTE: Duration = Duration::from_secs(60);

/// Nodes `kraken-1`, `kraken-2`, … whose dockerds answer.
fn started(bench: &Bench, count: usize) -> Vec<Node> {
    let nodes: Vec<Node> = (1..=count)
        .map(|number| bench.node(&format!("kraken-{number}"), &format!("192.168.3.{}", 10 + number), None))
        .collect();
    nodes.iter().for_each(Node::start);
    for node in &nodes {
        node.wait_api(MINUTE);
    }
    nodes
}

/// Makes a swarm of them manually: the first is the manager.
fn join(nodes: &[Node]) {
    let manager = &nodes[0];
    manager.docker(&["swarm", "init", "--advertise-addr", manager.address()]);
    let token = worker_token(manager);
    for node in &nodes[1..] {
        let to = format!("{}:2377", manager.address());
        node.docker(&["swarm", "join", "--token", &token, &to]);
    }
}

fn worker_token(manager: &Node) -> String {
    manager.docker(&["swarm", "join-token", "-q", "worker"])
}

/// Returns the nodes on which tasks of a service run.
fn where_it_runs(manager: &Node, service: &str) -> BTreeSet<String> {
    let format = "{{.Node}} {{.CurrentState}}";
    let tasks = manager.docker(&[
        "service",
        "ps",
        service,
        "--filter",
        "desired-state=running",
        "--format",
        format,
    ]);
    let running = tasks.lines().filter(|line| line.contains(" Running "));
    running.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

fn is_down(manager: &Node, node: &str) -> bool {
    let list = manager.docker(&["node", "ls", "--format", "{{.Hostname}} {{.Status}}"]);
    list.lines().any(|line| line == format!("{node} Down"))
}

fn host_links() -> String {
    run(Command::new("ip").args(["-o", "link"]))
}

/// Returns what is left of a bench that had this folder.
fn left_overs(folder: &Path) -> Vec<String> {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let mut left = Vec::new();
    if folder.exists() {
        left.push(folder.display().to_string());
    }
    for process in fs::read_dir("/proc").unwrap().flatten() {
        for part in ["environ", "cmdline", "mountinfo"] {
            let text = fs::read(process.path().join(part)).unwrap_or_default();
            if String::from_utf8_lossy(&text).contains(name) {
                left.push(format!("{}/{part}", process.path().display()));
            }
        }
    }
    let groups = output(Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-name", name]));
    left.extend(said(&groups).lines().map(str::to_owned));
    left
}

#[test]
fn swarm_nodes_join_serve_fail_and_come_back() {
    let links = host_links();
    let bench = Bench::new(&Engine::suite("trixie"));
    let folder = bench.folder().to_owned();
    let begun = Instant::now();
    let nodes = started(&bench, 3);
    println!(
        "{} answers on 3 nodes after {:?}",
        nodes[0].docker(&["version", "--format", "{{.Server.Version}}"]),
        begun.elapsed()
    );
    let begun = Instant::now();
    join(&nodes);
    let manager = &nodes[0];
    bench.wait_ready(manager, 3, MINUTE);
    println!("3 nodes Ready {:?} after `swarm init`", begun.elapsed());

    let all: BTreeSet<String> = nodes.iter().map(|node| node.name().to_owned()).collect();
    nodes.iter().for_each(Node::load_image);
    manager.docker(&["network", "create", "--driver", "overlay", "wide"]);
    let create = "service create --detach --no-resolve-image --name sleepers --network wide --endpoint-mode dnsrr \
        --replicas 3 --stop-grace-period 1s";
    let create: Vec<&str> = create.split_whitespace().chain([IMAGE, "sleep", "3600"]).collect();
    manager.docker(&create);
    bench.wait_for("a task on every node", MINUTE, || {
        (where_it_runs(manager, "sleepers") == all).then_some(())
    });
    assert_eq!(nodes[1].info()["ContainersRunning"], 1);
    println!("3 containers run after {:?}", begun.elapsed());

    // The containers resolve each other's names, and reach each other.
    bench.wait_containers_reach(manager, "sleepers", 3);

    // The power of one fails: the manager notices it, and accepts the node again when it is back.
    let id = nodes[2].info()["Swarm"]["NodeID"].clone();
    nodes[2].kill();
    assert!(!nodes[2].is_running());
    bench.wait_for("the loss of a node", MINUTE, || {
        is_down(manager, "kraken-3").then_some(())
    });
    nodes[2].start();
    println!(
        "a node Ready {:?} after its dockerd was started again",
        bench.wait_ready(manager, 3, MINUTE)
    );
    assert_eq!(nodes[2].info()["Swarm"]["NodeID"], id);

    // The same with its cable.
    nodes[1].link_down();
    bench.wait_for("the loss of a node", MINUTE, || {
        is_down(manager, "kraken-2").then_some(())
    });
    nodes[1].link_up();
    bench.wait_ready(manager, 3, MINUTE);

    // A dockerd that ends by itself leaves the swarm properly, and comes back.
    nodes[1].restart();
    nodes[1].wait_api(MINUTE);
    bench.wait_ready(manager, 3, MINUTE);

    drop((nodes, bench));
    assert_eq!(left_overs(&folder), [""; 0]);
    assert_eq!(host_links(), links);
}

#[test]
fn swarm_every_release_has_its_dockerd_and_takes_the_state_of_another_node() {
    for (suite, version) in [("bookworm", "20.10."), ("trixie", "26.1."), ("sid", "")] {
        let engine = Engine::suite(suite);
        assert!(engine.version().starts_with(version), "{suite}: {}", engine.version());
        let bench = Bench::new(&engine);
        let first = bench.node("kraken-1", "192.168.3.11", None);
        first.start();
        let took = first.wait_api(MINUTE);
        println!("{suite}: dockerd {} answers after {took:?}", engine.version());
        let info = first.info();
        assert!(
            info["ServerVersion"].as_str().unwrap().starts_with(engine.version()),
            "{info}"
        );
        assert_eq!(info["Name"], "kraken-1");
        assert_eq!(info["Swarm"]["LocalNodeState"], "inactive");
        first.docker(&["swarm", "init", "--advertise-addr", "192.168.3.11"]);
        let (id, token) = (first.info()["Swarm"]["NodeID"].clone(), worker_token(&first));
        first.kill();

        let second = Bench::new(&engine);
        let heir = second.node("kraken-1", "192.168.3.11", Some(&first.data_root().join("swarm")));
        assert_eq!(mode(&heir.data_root().join("swarm")), 0o700);
        assert_eq!(mode(&heir.data_root().join("swarm/certificates/swarm-node.key")), 0o600);
        heir.start();
        let took = second.wait_ready(&heir, 1, MINUTE);
        println!("{suite}: a manager with a state is ready after {took:?}");
        assert_eq!(heir.info()["Swarm"]["NodeID"], id);
        assert_eq!(worker_token(&heir), token);
    }
}

#[test]
fn swarm_programs_run_on_a_machine_beside_its_dockerd() {
    let bench = Bench::new(&Engine::suite("trixie"));
    let (one, two) = (
        bench.node("kraken-1", "192.168.3.11", None),
        bench.node("kraken-2", "192.168.3.12", None),
    );
    one.put(
        "/usr/local/lib/test/before",
        "#!/bin/sh\nset -e\nhostname\nip -4 -o addr show eth0\necho $WORD $DOCKER_HOST\nip route get 192.0.2.1 || echo no way out\n",
        0o755,
    );
    let said = said(
        &one.command("/usr/local/lib/test/before")
            .env("WORD", "hello")
            .output()
            .unwrap(),
    );
    for want in [
        "kraken-1\n",
        " 192.168.3.11/24 ",
        "hello unix:///var/run/docker.sock\n",
        "no way out\n",
    ] {
        assert!(said.contains(want), "{want:?} in {said}");
    }

    // It reaches a port of the other machine as soon as a program listens there.
    two.boot();
    let reach = |one: &Node| {
        let mut dial = one.command("bash");
        dial.args(["-c", "exec 3<>/dev/tcp/192.168.3.12/2377"])
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(!reach(&one));
    let mut listener = two
        .command("busybox")
        .args(["nc", "-ll", "-p", "2377", "-e", "true"])
        .spawn()
        .unwrap();
    bench.wait_for("a port", MINUTE, || reach(&one).then_some(()));
    two.link_down();
    assert!(
        !one.command("busybox")
            .args(["ping", "-c", "1", "-W", "1", "192.168.3.12"])
            .output()
            .unwrap()
            .status
            .success()
    );
    two.link_up();
    bench.wait_for("a port", MINUTE, || reach(&one).then_some(()));

    // A watcher that was started before dockerd finds it; a power cut ends both, and new files in
    // the root file system are lost.
    one.put(
        "/usr/local/lib/test/watch",
        "#!/bin/sh\nuntil docker version >/run/seen; do sleep 0.1; done\nsleep 3600\n",
        0o755,
    );
    let mut watcher = one
        .command("/usr/local/lib/test/watch")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    one.start();
    one.wait_api(MINUTE);
    bench.wait_for("the watcher", MINUTE, || {
        one.command("test")
            .args(["-s", "/run/seen"])
            .status()
            .unwrap()
            .success()
            .then_some(())
    });
    assert!(one.command("touch").arg("/etc/new").status().unwrap().success());
    one.kill();
    assert!(!watcher.wait().unwrap().success());
    for (path, there) in [("/etc/new", false), ("/usr/local/lib/test/watch", true)] {
        assert_eq!(
            one.command("test").args(["-e", path]).status().unwrap().success(),
            there,
            "{path}"
        );
    }
    two.kill();
    assert!(!listener.wait().unwrap().success());
}

#[test]
fn swarm_a_dockerd_may_have_a_clock_of_its_own() {
    let bench = Bench::new(&Engine::suite("trixie"));
    let node = bench.node("kraken-1", "192.168.3.11", None);
    let day = 24 * 60 * 60;
    let off_by = || {
        let system: jiff::Timestamp = node.info()["SystemTime"].as_str().unwrap().parse().unwrap();
        system.as_second() - jiff::Timestamp::now().as_second()
    };
    node.set_clock(-1000 * day);
    node.start();
    node.wait_api(MINUTE);
    assert!((off_by() + 1000 * day).abs() <= 2, "{}", off_by());
    node.docker(&["swarm", "init", "--advertise-addr", "192.168.3.11"]);
    let born: jiff::Timestamp = node.api("/nodes").unwrap()[0]["CreatedAt"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let age = jiff::Timestamp::now().as_second() - born.as_second();
    assert!((age - 1000 * day).abs() < 60, "{age}");
    node.set_clock(0);
    assert!(off_by().abs() <= 2, "{}", off_by());
    node.set_clock(day);
    node.kill();
    node.start();
    node.wait_api(MINUTE);
    assert!((off_by() - day).abs() <= 2, "{}", off_by());
}

/// Set where this program runs as the test that will be killed.
const VICTIM: &str = "KRAKEN_SWARM_VICTIM";

#[test]
fn swarm_a_killed_test_leaves_nothing_behind() {
    let engine = Engine::suite("trixie");
    if std::env::var_os(VICTIM).is_some() {
        let bench = Bench::new(&engine);
        let _nodes = started(&bench, 2);
        println!("folder: {}", bench.folder().display());
        std::thread::sleep(MINUTE);
        return;
    }
    // The harness names a test by its modules, without the program's own name.
    let module = module_path!().split_once("::").unwrap().1;
    let name = format!("{module}::swarm_a_killed_test_leaves_nothing_behind");
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let folder = lines
        .find_map(|line| line.strip_prefix("folder: ").map(PathBuf::from))
        .expect("a bench");
    let there = left_overs(&folder);
    assert!(there.iter().any(|what| what.ends_with("/mountinfo")), "{there:?}");
    victim.kill().unwrap();
    victim.wait().unwrap();
    let begun = Instant::now();
    while !left_overs(&folder).is_empty() {
        assert!(begun.elapsed() < MINUTE, "{:?}", left_overs(&folder));
        std::thread::sleep(Duration::from_millis(50));
    }
}
