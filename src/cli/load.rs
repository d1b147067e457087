//! What several commands begin with: the cluster, its templates and overlays, and where the base
//! comes from.

use std::path::Path;

use kraken_flash::card::access::Standing;
use kraken_flash::project::{self, Project};
use kraken_spec::workspace::{LoginKeys, MissingKeys, Surroundings};
use kraken_spec::{BaseRef, Cluster, Image};

use super::{Failure, Session, say};

/// A project with what receipts record of its cards.
pub(super) struct Loaded {
    pub(super) project: Project,
    /// The recorded place of each card in the swarm.
    pub(super) swarm: Option<Standing>,
}

/// Reads the cluster, and prints a note when a key pair was made for it.
pub(super) fn load(session: &Session, missing: MissingKeys) -> Result<Loaded, Failure> {
    let project = Project::open(session.global.config.as_deref(), &Surroundings::here(), missing)?;
    if let LoginKeys::Made(path) = &project.workspace.keys {
        session.progress.note(&format!(
            "No SSH key was configured or found, so a pair was made: {} (keep it; it logs in to every node)",
            path.display()
        ));
    }
    warn_of_clock(session, project.cluster());
    Ok(Loaded { project, swarm: None })
}

/// Warns of a clock floor in the future. With it the clock of every node is wrong until the node
/// has found a time server, which by design may not set it back.
pub(super) fn warn_of_clock(session: &Session, cluster: &Cluster) {
    if let Some(warning) = cluster
        .system
        .clock_floor
        .and_then(|floor| ahead(floor, project::now()))
    {
        say(session, &warning);
    }
}

/// Returns the warning about a clock floor that is more than a day ahead of `now`, in seconds since
/// 1970. A difference of one day may come from time zones.
fn ahead(floor: i64, now: u64) -> Option<String> {
    let days = (floor - i64::try_from(now).ok()?) / 86_400;
    (days > 1).then(|| {
        format!(
            "warning: `clock-floor` in [system] is {days} days ahead of this machine's clock. No node's clock starts before it: certificates and \
             package archives look expired to the nodes, and the swarm's own certificates may do so, too. Set it to today, or correct this clock"
        )
    })
}

/// Where the base comes from, when not from where kraken.toml says.
#[derive(Debug, clap::Args)]
pub(super) struct BaseArgs {
    /// Take this base instead of kraken.toml's: a path, an address, a catalogue name, or "debian"
    #[arg(long, value_name = "BASE")]
    base: Option<String>,
    /// Use no network: what is not in the cache is an error
    #[arg(long)]
    offline: bool,
    /// Look for a newer base than the one in the cache
    #[arg(long, conflicts_with = "offline")]
    refresh: bool,
}

impl BaseArgs {
    /// Returns whether any of these options is given.
    pub(super) fn are_given(&self) -> bool {
        self.base.is_some() || self.offline || self.refresh
    }

    /// Returns whether `--base` is given.
    pub(super) fn replaces(&self) -> bool {
        self.base.is_some()
    }

    /// Replaces the spec's base by the one that `--base` names. The hash in the spec is that of the
    /// spec's own base, so it is dropped.
    pub(super) fn apply(&self, image: &mut Image) -> Result<(), Failure> {
        replace_base(image, self.base.as_deref())?;
        match (&image.base, self.refresh) {
            (BaseRef::Path(path), true) => Err(Failure::Usage(format!(
                "--refresh has no effect: the base {} is a file, and a file has no newer version to download",
                path.display()
            ))),
            _ => Ok(()),
        }
    }

    /// Returns the options for obtaining the base.
    pub(super) fn options(&self) -> kraken_fetch::Options {
        kraken_fetch::Options {
            offline: self.offline,
            refresh: self.refresh,
            ..kraken_fetch::Options::default()
        }
    }
}

/// Replaces the spec's base by `written`, the value of `--base`. The hash in the spec is that of
/// the spec's own base, so it is dropped.
pub(super) fn replace_base(image: &mut Image, written: Option<&str>) -> Result<(), Failure> {
    if let Some(written) = written {
        // On the command line, a name of an existing file means that file, whatever else the name
        // could mean.
        let file = Path::new(written).is_file() && !written.contains('/');
        let written = if file { &format!("./{written}") } else { written };
        image.base = kraken_spec::base_ref(written, &|text| text.into())
            .map_err(|why| Failure::Usage(format!("--base {written}: {why}")))?;
        image.sha256 = None;
    }
    Ok(())
}

/// Parses the number of a node. The error helps users who know only the host name.
pub(super) fn node_number(text: &str) -> Result<u32, String> {
    let name_ends = text.rsplit('-').next().and_then(|end| end.parse::<u32>().ok());
    match (text.parse::<u32>(), name_ends) {
        (Err(_), _) if text.contains('/') => Err(format!("the number comes first, then the device: --node N {text}")),
        (Ok(0), _) => Err("nodes are counted from 1".into()),
        (Ok(number), _) => Ok(number),
        (Err(_), Some(number)) if number > 0 && !text.starts_with('-') => Err(format!(
            "a node is named by its number, {number} for {text}; `kraken-flash plan` lists them"
        )),
        (Err(_), _) => Err("a node is named by its number, from 1 on; `kraken-flash plan` lists them".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_floor_is_warned_of_when_it_is_in_the_future() {
        let now = 1_800_000_000;
        let day = 86_400;
        assert_eq!(ahead(now as i64, now), None);
        assert_eq!(ahead(now as i64 + day, now), None);
        assert_eq!(ahead(0, now), None);
        let warning = ahead(now as i64 + 4_000 * day, now).unwrap();
        assert!(warning.contains("4000 days ahead"), "{warning}");
    }

    #[test]
    fn a_node_is_a_number_and_a_host_name_is_answered_with_its_own() {
        assert_eq!(node_number("3"), Ok(3));
        for (text, expected) in [
            ("kraken-1", "1 for kraken-1"),
            ("kraken", "by its number, from 1 on"),
            ("-3", "by its number, from 1 on"),
            ("0", "counted from 1"),
            ("", "by its number"),
            ("1,2", "by its number"),
            ("99999999999", "by its number"),
            ("/dev/sda", "the number comes first"),
        ] {
            let error = node_number(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
