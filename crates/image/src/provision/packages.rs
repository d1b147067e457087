//! The unit that configures baked packages on the first boot.

use serde_json::json;

use super::Assets;
use super::image::{Draft, exists};
use super::network::enable;
use crate::packages::{MARK, RECORD};
use kraken_foundation::Result;
use kraken_overlay::Entry;

const UNIT: &str = "kraken-configure.service";

/// Adds the unit and its script, if the image has packages baked in.
pub(super) fn packages(draft: &mut Draft<'_>, assets: &Assets) -> Result<()> {
    if !exists(draft.ctx.root, RECORD)? {
        return Ok(());
    }
    let values = json!({"cluster": draft.ctx.cluster.name});
    let script = assets.renderer.text("kraken-configure", &values)?;
    let unit = assets.renderer.text(UNIT, &values)?;
    draft.file("/usr/local/lib/kraken-flash/configure", script, 0o755)?;
    draft.file(&format!("/etc/systemd/system/{UNIT}"), unit, 0o644)?;
    let mark = Entry::file(Vec::new(), 0o644, draft.ctx.clock_floor);
    draft.root(MARK, mark)?;
    enable(draft, UNIT, "multi-user.target")
}
