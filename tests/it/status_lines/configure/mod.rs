//! Configuring packages on the first boot, with the real dpkg on a tree of its own: cut at each
//! step, with a package that fails, and with a card on which no file can be made.

mod tree;

use std::fs;

use tree::{MARK, Node, POLICY, names};

#[test]
fn packages_are_configured_and_docker_is_started_while_the_unit_is_whole() {
    let node = Node::new();
    assert!(node.boot(0), "{}", node.read("said"));
    node.is_done("a first boot");
    // The next start has nothing to do.
    node.power_cut();
    let steps = node.steps();
    assert!(node.boot(0));
    assert_eq!(node.steps(), steps);
    node.is_done("a second boot");
}

#[test]
fn a_power_cut_at_any_step_ends_in_the_same_state() {
    let whole = Node::new();
    assert!(whole.boot(0));
    let steps = whole.steps();
    assert!(steps > 25, "{}", whole.read("steps"));
    for cut in 1..=steps {
        let node = Node::new();
        node.boot(cut);
        let at = node.read("steps").lines().last().unwrap().to_owned();
        let what = format!("power cut before step {cut}, {at}");
        node.power_cut();
        assert!(node.boot(0), "{what}: {}", node.read("said"));
        node.is_done(&what);
    }
}

#[test]
fn a_script_that_is_killed_leaves_nothing_forbidden_and_starts_docker_if_it_can() {
    let whole = Node::new();
    assert!(whole.boot(0));
    let steps = whole.steps();
    for cut in 1..=steps {
        let node = Node::new();
        node.run("", cut);
        if node.steps() < cut {
            break;
        }
        // systemd continues with ExecStopPost=.
        let what = format!("killed at step {cut}, {}", node.read("steps").lines().last().unwrap());
        assert!(node.run("end", 0), "{what}");
        assert!(
            !node.path(POLICY).exists() && !node.path("run/kraken-flash/configuring").exists(),
            "{what}"
        );
        if node.state("docker.io") == "installed" {
            assert!(node.docker_is_started(), "{what}");
        }
        if cut % 4 > 0 {
            continue;
        }
        // The user starts the unit again, without a boot in between.
        assert!(node.boot(0), "{what}: {}", node.read("said"));
        node.is_done(&what);
    }
}

#[test]
fn a_package_that_fails_does_not_hold_docker_back() {
    let node = Node::new();
    node.put("fails", "");
    assert!(!node.boot(0));
    let said = node.read("said");
    assert!(
        said.contains("1 packages are not configured") && said.contains("sudo systemctl start kraken-configure"),
        "{said}"
    );
    assert_eq!(
        (node.state("broken"), node.state("late")),
        ("half-configured".to_owned(), "installed".to_owned())
    );
    assert!(node.docker_is_started(), "{said}");
    assert!(node.path(MARK).exists(), "the next start tries again");
    assert_eq!(node.read("faults"), "");
    // A restart is not a power cut: configured packages stay so.
    node.put("said", "");
    node.put("unsynced", "");
    node.power_cut();
    fs::remove_file(node.path("fails")).unwrap();
    assert!(node.boot(0));
    let said = node.read("said");
    assert!(
        said.contains("configuring 1 packages") && !said.contains("power failed"),
        "{said}"
    );
    node.is_done("a start after a failure");

    // Docker's own package fails: the script does not start Docker, but starts the other services.
    let node = Node::new();
    node.program("var/lib/dpkg/info/docker.io.postinst", "exit 1");
    assert!(!node.boot(0));
    assert_eq!(node.read("run/started"), "containerd.service\nlate.service\n");
}

#[test]
fn a_policy_that_was_there_before_is_put_back_wherever_power_fails() {
    let own = "#!/bin/sh\nexit 0\n";
    let with_policy = || {
        let node = Node::new();
        node.put(POLICY, own);
        node.executable(POLICY);
        node
    };
    let whole = with_policy();
    assert!(whole.boot(0));
    let steps = whole.read("steps");
    let of_policy = steps
        .lines()
        .enumerate()
        .filter(|(_, step)| step.contains("policy-rc.d"));
    let cuts: Vec<usize> = of_policy.map(|(at, _)| at + 1).collect();
    assert!(cuts.len() >= 4, "{steps}");
    // Before each of these, and after it.
    for cut in cuts.iter().flat_map(|cut| [*cut, cut + 1]) {
        let node = with_policy();
        node.boot(cut);
        node.power_cut();
        assert!(node.boot(0));
        assert_eq!(node.read(POLICY), own, "step {cut}");
        assert_eq!(names(&node.path("usr/sbin")), ["policy-rc.d"], "step {cut}");
    }
}

#[test]
fn where_the_policy_cannot_be_made_no_package_is_configured() {
    let node = Node::new();
    node.program("bin/ln", "echo 'No space left on device' >&2; exit 1");
    assert!(!node.boot(0));
    let said = node.read("said");
    assert!(
        said.contains("Is the card full") && said.contains("sudo systemctl start kraken-configure"),
        "{said}"
    );
    assert_eq!(
        node.state("docker.io"),
        "unpacked",
        "its package would wait for Docker, and Docker for its package"
    );
    assert_eq!(node.read("faults"), "");
}

#[test]
fn a_preinst_whose_package_is_gone_holds_nothing_up() {
    let node = Node::new();
    fs::remove_file(node.path("var/lib/dpkg/info/late.preinst")).unwrap();
    assert!(node.boot(0), "{}", node.read("said"));
    assert!(!node.path(MARK).exists());
}
