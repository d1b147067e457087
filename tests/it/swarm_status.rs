//! How nodes report their state, with real dockerds: a manager that is lost, a cable that is
//! pulled, a swarm without a leader.

use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use testkit::cards::{Cluster, On};
use testkit::swarm::{Bench, Engine, Node};

const MINUTE: Duration = Duration::from_secs(60);

/// A tree of the machine's own folders, with a console of its own: the test must not use the
/// host's. Then the card's script.
const TELL: &str = "#!/bin/sh
mkdir -p /run/tell/sys/class/tty/console /run/tell/sys/class/net/eth0 /run/tell/dev
ln -sfn /proc /run/tell/proc
for folder in etc usr var; do ln -sfn /$folder /run/tell/$folder; done
echo ttyAMA0 > /run/tell/sys/class/tty/console/active
echo 1 > /run/tell/sys/class/net/eth0/carrier
: >> /run/tell/dev/ttyAMA0
export KRAKEN_STATUS_ROOT=/run/tell KRAKEN_STATUS_PAUSE=0.2 PATH=/usr/local/test:$PATH
exec /usr/local/lib/kraken-flash/status
";

/// The bench has no systemd: docker.service is active when it answers, as with systemd
/// (`Type=notify`).
const SYSTEMCTL: &str = "#!/bin/sh
state=inactive
if timeout 5 docker version > /dev/null 2>&1; then state=active; fi
for unit in docker:$state kraken-swarm:active; do
  printf 'Id=%s.service\\nLoadState=loaded\\nActiveState=%s\\nSubState=running\\nUnitFileState=enabled\\n\\n' \"${unit%:*}\" \"${unit#*:}\"
done
";

/// A node that is on, and reports its state.
struct Telling {
    on: On,
    child: Child,
}

impl Telling {
    fn new(node: &Arc<Node>) -> Self {
        node.put("/usr/local/sbin/tell-here", TELL, 0o755);
        node.put("/usr/local/test/systemctl", SYSTEMCTL, 0o755);
        let on = On::new(node);
        let mut command = node.command("/usr/local/sbin/tell-here");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        Self { on, child }
    }

    /// Returns the lines so far.
    fn lines(&self) -> Vec<String> {
        let said = self
            .on
            .node
            .command("cat")
            .arg("/run/tell/dev/ttyAMA0")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let lines = text.split(['\r', '\n']).filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    }

    fn shows(&self, bench: &Bench, text: &str) {
        let what = format!("{} to show: {text}", self.on.node.name());
        bench.wait_for(&what, 2 * MINUTE, || {
            let lines = self.lines();
            lines
                .last()
                .is_some_and(|line| line.ends_with(&format!("  {text}")))
                .then_some(())
        });
    }

    fn cut(mut self) {
        self.on.cut();
        let _ = self.child.wait();
    }
}

#[test]
fn swarm_a_worker_shows_when_it_is_lost_and_when_it_is_back() {
    let cluster = Cluster::new("[cluster]\nnodes = 3\n");
    let cards = cluster.build(&[]);
    for suite in ["bookworm", "trixie"] {
        println!("Docker of {suite}");
        let bench = Bench::new(&Engine::suite(suite));
        let machines: Vec<_> = cards.iter().map(|card| card.put_into(&bench)).collect();
        let manager = Telling::new(&machines[0]);
        let [second, third] = [&machines[1], &machines[2]].map(Telling::new);
        let waiting = "docker up  swarm waiting  for a manager at 192.168.3.11";
        manager.shows(&bench, "docker up  swarm Ready  3 of 3 nodes");
        for worker in [&second, &third] {
            worker.shows(&bench, "docker up  swarm Ready");
        }

        manager.cut();
        second.shows(&bench, waiting);
        third.shows(&bench, waiting);
        let manager = Telling::new(&machines[0]);
        for worker in [&second, &third] {
            worker.shows(&bench, "docker up  swarm Ready");
        }
        manager.shows(&bench, "docker up  swarm Ready  3 of 3 nodes");

        third.on.node.link_down();
        third.shows(&bench, waiting);
        manager.shows(&bench, "docker up  swarm Ready  2 of 3 nodes");
        third.on.node.link_up();
        third.shows(&bench, "docker up  swarm Ready");
        manager.shows(&bench, "docker up  swarm Ready  3 of 3 nodes");
        for node in [&manager, &second, &third] {
            let lines = node.lines();
            assert!(!lines.iter().any(|line| line.contains("FAILED")), "{lines:#?}");
        }
        [manager, second, third].into_iter().for_each(Telling::cut);
    }
}

#[test]
fn swarm_a_manager_without_a_leader_shows_that_it_waits() {
    let cluster = Cluster::new("[cluster]\nnodes = 3\n[swarm]\nmanagers = 3\n");
    let cards = cluster.build(&[]);
    for suite in ["bookworm", "trixie"] {
        println!("Docker of {suite}");
        let bench = Bench::new(&Engine::suite(suite));
        let machines: Vec<_> = cards.iter().map(|card| card.put_into(&bench)).collect();
        let mut nodes: Vec<Telling> = machines.iter().map(Telling::new).collect();
        for node in &nodes {
            node.shows(&bench, "docker up  swarm Ready  3 of 3 nodes");
        }
        nodes.drain(..2).for_each(Telling::cut);
        nodes[0].shows(&bench, "docker up  swarm waiting  for more managers: it has no leader");
        nodes.extend(machines[..2].iter().map(Telling::new));
        for node in &nodes {
            node.shows(&bench, "docker up  swarm Ready  3 of 3 nodes");
        }
        nodes.into_iter().for_each(Telling::cut);
    }
}
