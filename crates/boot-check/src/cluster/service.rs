//! The check `service`: starts a test service with a task on every node, and reaches each task
//! through every node from outside.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use super::ask::{ask_manager, until};
use super::report::{Report, decided};
use crate::node::Running;
use kraken_foundation::Result;
use kraken_foundation::interrupt::Interrupt;

/// The time limit on the reference machine, with one guest for each core.
const LIMIT: Duration = Duration::from_secs(300);
/// How long to wait for an answer, and how often to check meanwhile whether the user wants to stop.
const ANSWER: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(300);
/// The published port.
const PORT: u16 = 18_080;
/// The names of the service and of its image. The image's registry does not exist, so that no node
/// tries to download from it.
const SERVICE: &str = "kraken-flash-proof";
const IMAGE: &str = "127.0.0.1:1/kraken-flash-proof:1";

/// Returns the script that makes the image. It consists of links into the node's own /usr, which is
/// mounted into the container, so nothing is downloaded.
fn make_image() -> String {
    format!(
        "set -e; d=$(mktemp -d); cd $d; mkdir usr etc proc sys dev tmp; \
         for x in bin sbin lib lib64; do [ ! -e /$x ] || ln -s usr/$x $x; done; \
         tar -c . | docker import - {IMAGE} >/dev/null; rm -rf $d"
    )
}

/// Returns the command that starts the service. Its program answers every request with its node's
/// name.
fn create() -> String {
    let program = "import http.server,socket\n\
        class A(http.server.BaseHTTPRequestHandler):\n\
        \x20 def do_GET(s):\n\
        \x20  b=socket.gethostname().encode(); s.send_response(200); s.send_header('Content-Length',str(len(b))); s.end_headers(); s.wfile.write(b)\n\
        http.server.ThreadingHTTPServer(('',80),A).serve_forever()\n";
    format!(
        "docker service create -q -d --name {SERVICE} --mode global --no-resolve-image --hostname '{{{{.Node.Hostname}}}}' \
         --mount type=bind,src=/usr,dst=/usr,readonly --publish {PORT}:80 {IMAGE} /usr/bin/python3 -c \"{program}\""
    )
}

pub(super) fn check_service(report: &mut Report<'_, '_>, nodes: &mut [Running<'_>]) -> Result<()> {
    const TITLE: &str = "a service runs on every node, and is reached through each";
    let began = report.run.clock.ms();
    let expected = format!("a task on every node, each reached through port {PORT} of every node");
    report.doing("starting a test service on all nodes");
    let mut made = Ok(());
    for node in nodes.iter_mut() {
        made = made.and(
            node.ssh(&make_image())
                .map(drop)
                .map_err(|words| format!("{}: making its image: {words}", node.report.hostname)),
        );
    }
    let made = made.and_then(|()| ask_manager(nodes, &create()).map(drop));
    if let Err(words) = made {
        report.settle("service", TITLE, began, decided(Err(words), expected, None));
        return Ok(());
    }
    let run = report.run;
    let names: BTreeSet<String> = nodes.iter().map(|node| node.report.hostname.clone()).collect();
    // For each node, the nodes whose tasks it has led to so far.
    let mut reached: Vec<BTreeSet<String>> = vec![BTreeSet::new(); nodes.len()];
    let waited = until(run, nodes, LIMIT, |nodes| {
        let mut trouble = String::new();
        for (node, reached) in nodes.iter().zip(&mut reached) {
            for _ in 0..2 * names.len() {
                if *reached == names || run.interrupt.is_set() {
                    break;
                }
                match run
                    .lan
                    .forward(SocketAddrV4::new(node.target.node.address, PORT))
                    .map_err(|error| error.to_string())
                    .and_then(|at| fetch(at, run.interrupt))
                {
                    Ok(name) => drop(reached.insert(name)),
                    Err(words) => {
                        trouble = format!("; {}: {words}", node.report.hostname);
                        break;
                    }
                }
            }
        }
        let lines: Vec<String> = nodes
            .iter()
            .zip(&reached)
            .map(|(node, reached)| {
                format!(
                    "through {}: {}",
                    node.report.hostname,
                    reached.iter().cloned().collect::<Vec<_>>().join(", ")
                )
            })
            .collect();
        let lines = lines.join("\n");
        if reached.iter().all(|reached| *reached == names) {
            Ok(lines)
        } else {
            Err(format!("{lines}{trouble}"))
        }
    })?;
    let verdict = match waited.outcome {
        Ok(seen) => Ok(seen),
        Err(seen) => {
            let tasks = ask_manager(
                nodes,
                &format!(
                    "docker service ps --no-trunc --format '{{{{.Node}}}} {{{{.CurrentState}}}} {{{{.Error}}}}' {SERVICE}"
                ),
            );
            Err(format!("{seen}\n{}", tasks.unwrap_or_else(|words| words)))
        }
    };
    let cause =
        "the nodes' overlay network or the ingress does not work: look at data-port and address-pools under [swarm]";
    report.settle("service", TITLE, began, decided(verdict, expected, Some(cause)));
    // A failure does not matter: the service is removed with the overlays.
    let _ = ask_manager(nodes, &format!("docker service rm {SERVICE}"));
    Ok(())
}

/// Returns the answer at `at`, which is the name of the node that the task runs on.
fn fetch(at: SocketAddrV4, interrupt: &Interrupt) -> Result<String, String> {
    let answer = || -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(at)?;
        stream.set_read_timeout(Some(GLANCE))?;
        stream.write_all(b"GET / HTTP/1.0\r\nHost: node\r\n\r\n")?;
        let (since, mut text) = (Instant::now(), Vec::new());
        let mut stream = stream.take(4096);
        loop {
            match stream.read_to_end(&mut text) {
                Err(error) if is_timeout(&error) && since.elapsed() < ANSWER && !interrupt.is_set() => {}
                done => return done.map(|_| text),
            }
        }
    };
    let text = answer().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&text);
    match text.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.") && head.contains(" 200") => {
            Ok(kraken_foundation::text::line(body))
        }
        _ if text.is_empty() => Err("the connection was closed".to_owned()),
        _ => Err(format!(
            "an answer that is not valid: {}",
            kraken_foundation::text::line(&text)
        )),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
