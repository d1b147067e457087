//! How a node reports its progress: the unit and the scripts that write to its consoles and set its
//! green LED.

use serde_json::json;

use super::Assets;
use super::image::Draft;
use super::network::enable;
use kraken_foundation::Result;

const SCRIPT: &str = "/usr/local/lib/kraken-flash/status";
const LED: &str = "/usr/local/lib/kraken-flash/led";
const UNIT: &str = "kraken-status.service";
/// The current line, while the unit runs (its `RuntimeDirectory`).
const LINE: &str = "/run/kraken-flash/status/line";

/// Adds what all nodes share, unless `[system] status` is off. The script reads what differs
/// between nodes on the node itself.
pub(super) fn common(draft: &mut Draft<'_>, assets: &Assets) -> Result<()> {
    let cluster = draft.ctx.cluster;
    if !cluster.system.status {
        return Ok(());
    }
    // All nodes' lines are aligned, so that a log of several nodes is easy to read.
    let width = cluster.nodes.iter().map(|node| node.hostname.len()).max();
    let values = json!({"width": width.unwrap_or_default()});
    for (path, template, mode) in [
        (SCRIPT, "kraken-status", 0o755),
        (LED, "kraken-led", 0o755),
        (&format!("/etc/systemd/system/{UNIT}"), UNIT, 0o644),
    ] {
        let text = assets.renderer.text(template, &values)?;
        draft.file(path, text, mode)?;
    }
    // agetty(8) does not read an issue file in /run when there is one in /etc, but it follows
    // links.
    draft.link("/etc/issue.d/kraken-status.issue", LINE)?;
    enable(draft, UNIT, "sysinit.target")
}
