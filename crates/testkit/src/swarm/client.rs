//! A test's access to a node: by the client, by the API, by programs that run beside its dockerd.

use std::fs::{self, File};
use std::io;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::said;
use super::node::{Node, TIMEOUT};
use super::tail::last_lines;
use super::wait::wait_for;
use super::{api, image};

impl Node {
    /// Returns a program on the node, beside its dockerd, which it finds by `DOCKER_HOST`. Switches
    /// the node on if necessary. The caller spawns it or runs it to its end; a power cut ends it.
    pub fn command(&self, program: &str) -> Command {
        self.on(&mut self.state()).command(program)
    }

    /// Runs the client.
    pub fn try_docker(&self, arguments: &[&str]) -> Output {
        let timeout = TIMEOUT.as_secs().to_string();
        self.command("timeout")
            .args(["--kill-after=5", &timeout, "docker"])
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Runs the client, which must succeed; returns its stdout, without the last newline.
    pub fn docker(&self, arguments: &[&str]) -> String {
        let output = self.try_docker(arguments);
        assert!(
            output.status.success(),
            "docker {arguments:?} on {}: {}",
            self.name(),
            said(&output)
        );
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Requests a path of the API from dockerd, with a limit of two seconds.
    pub fn api(&self, path: &str) -> io::Result<Value> {
        self.ask(path, Duration::from_secs(2))
    }

    /// Waits until dockerd answers; returns how long that took.
    pub fn wait_api(&self, timeout: Duration) -> Duration {
        let begun = Instant::now();
        wait_for(&self.island, &format!("dockerd on {}", self.name()), timeout, || {
            assert!(
                self.is_running(),
                "dockerd on {} ended:\n{}",
                self.name(),
                last_lines(&self.folder.join("dockerd.log"), 20)
            );
            self.api("/_ping").ok()
        });
        begun.elapsed()
    }

    fn ask(&self, path: &str, timeout: Duration) -> io::Result<Value> {
        let socket = match &self.state().machine {
            Some(machine) => machine.path("/run/docker.sock"),
            None => return Err(io::Error::other(format!("{} is off", self.name()))),
        };
        api::get(&socket, path, timeout)
    }

    /// Returns what `docker info` reports.
    pub fn info(&self) -> Value {
        self.ask("/info", TIMEOUT)
            .unwrap_or_else(|error| panic!("{}: {error}", self.name()))
    }

    /// Returns everything that dockerd wrote, over all its starts.
    pub fn log(&self) -> String {
        let log = fs::read(self.folder.join("dockerd.log")).unwrap();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Loads the image [`super::IMAGE`] on the node.
    pub fn load_image(&self) {
        let file = image::tar(self.island.folder(), &self.state().engine);
        let mut load = self.command("docker");
        let output = load
            .arg("load")
            .stdin(Stdio::from(File::open(file).unwrap()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
}
