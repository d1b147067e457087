//! How a node reports its progress: the unit and the scripts that write to its consoles and set its
//! green LED.

use serde_json::json;

use super::image::Draft;
use super::network::enable;
use super::{Assets, ProvisionError};

const SCRIPT: &str = "/usr/local/lib/kraken-flash/tell";
const LIGHT: &str = "/usr/local/lib/kraken-flash/light";
const UNIT: &str = "kraken-tell.service";
/// The current line, while the unit runs (its `RuntimeDirectory`).
const LINE: &str = "/run/kraken-flash/tell/line";

/// Adds what all nodes share, unless `[system] tell` is off. The script reads what differs between
/// nodes on the node itself.
pub(super) fn common(draft: &mut Draft<'_>, assets: &Assets) -> Result<(), ProvisionError> {
    let cluster = draft.ctx.cluster;
    if !cluster.system.tell {
        return Ok(());
    }
    // All nodes' lines are aligned, so that a log of several nodes is easy to read.
    let width = cluster.nodes.iter().map(|node| node.hostname.len()).max();
    let values = json!({"width": width.unwrap_or_default()});
    for (path, template, mode) in [
        (SCRIPT, "kraken-tell", 0o755),
        (LIGHT, "kraken-light", 0o755),
        (&format!("/etc/systemd/system/{UNIT}"), UNIT, 0o644),
    ] {
        let text = assets.renderer.text(template, &values)?;
        draft.file(path, text, mode)?;
    }
    // agetty(8) does not read an issue file in /run when there is one in /etc, but it follows
    // links.
    draft.link("/etc/issue.d/kraken-tell.issue", LINE)?;
    enable(draft, UNIT, "sysinit.target")
}
