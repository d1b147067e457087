//! The result of unpacking, with dpkg's database as it is afterwards: the status, and the lists and
//! triggers that changed.

use super::database::{ADMIN, Key, info_name};
use super::error::vanishes;
use super::preinst::Preinst;
use super::stanza;
use super::work::Work;
use kraken_foundation::Result;
use kraken_overlay::{Entry, Overlay};

/// The result of unpacking.
#[derive(Debug, Default)]
pub struct Unpacked {
    /// The packages' files and dpkg's database, for the root volume.
    pub overlay: Overlay,
    /// The scripts to run before the packages are configured, in this order.
    pub preinsts: Vec<Preinst>,
}

impl Work<'_> {
    /// Puts the changes of dpkg's database into the overlay.
    pub(super) fn outcome(mut self) -> Result<Unpacked> {
        if !self.baked.is_empty() {
            self.refuse_vanished()?;
            self.robbed_lists()?;
            self.pending_triggers();
            let status = self.status_text();
            self.write("status", status)?;
            for name in std::mem::take(&mut self.interests) {
                let lines = self.database.triggers.remove(&name).unwrap_or_default();
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                match text.is_empty() {
                    // dpkg removes an empty list of interests.
                    true => self.put(&format!("{ADMIN}/triggers/{name}"), Entry::absent())?,
                    false => self.write(&format!("triggers/{name}"), text)?,
                }
            }
        }
        Ok(Unpacked {
            overlay: self.overlay,
            preinsts: self.preinsts,
        })
    }

    fn write(&mut self, name: &str, text: String) -> Result<()> {
        let entry = Entry::file(text.into_bytes(), 0o644, self.time);
        self.put(&format!("{ADMIN}/{name}"), entry)
    }

    /// Refuses a package that loses all its files to others: dpkg would remove it.
    fn refuse_vanished(&self) -> Result<()> {
        for key in self.robbed.iter().filter(|key| !self.baked.contains(*key)) {
            let list = self.database.lists.get(key).map_or(&[][..], Vec::as_slice);
            let mut keeps = false;
            for path in list.iter().filter(|path| *path != "/.") {
                let found = self.root.metadata(path)?;
                keeps |= found.is_some_and(|found| found.node != kraken_disk::NodeType::Directory);
            }
            if !keeps {
                let package = self
                    .baked
                    .iter()
                    .map(|key| key.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ");
                return Err(vanishes(&package, &key.name));
            }
        }
        Ok(())
    }

    fn robbed_lists(&mut self) -> Result<()> {
        for key in std::mem::take(&mut self.robbed) {
            let (Some(list), Some(known)) = (self.database.lists.get(&key), self.database.packages.get(&key)) else {
                continue;
            };
            let name = format!("info/{}.list", info_name(&key, known.same));
            let text = list.join("\n") + "\n";
            self.write(&name, text)?;
        }
        Ok(())
    }

    fn pending_triggers(&mut self) {
        for (key, triggers) in std::mem::take(&mut self.pending) {
            let Some(known) = self.database.packages.get(&key).filter(|_| !self.baked.contains(&key)) else {
                continue;
            };
            // dpkg puts each new one before the others.
            let mut all: Vec<&str> = triggers.iter().rev().map(String::as_str).collect();
            all.extend(
                known
                    .pending
                    .iter()
                    .map(String::as_str)
                    .filter(|old| !triggers.iter().any(|new| new == old)),
            );
            let state = match known.state.as_str() {
                "triggers-awaited" => "triggers-awaited",
                _ => "triggers-pending",
            };
            let before = self.stanzas.get(&key).unwrap_or(&known.text);
            let text = stanza::edited(before, state, "Triggers-Pending", &all.join(" "));
            self.stanzas.insert(key, text);
        }
        for (key, whom) in std::mem::take(&mut self.awaited) {
            if let Some(stanza) = self.stanzas.get_mut(&key).filter(|_| !whom.is_empty()) {
                *stanza = stanza::awaiting(stanza, &whom.join(" "));
            }
        }
    }

    /// Returns the status: what did not change stays byte for byte; packages are in the order of
    /// their names, as dpkg writes them.
    fn status_text(&self) -> String {
        let mut text = String::new();
        let mut order: Vec<&Key> = self.database.order.iter().collect();
        order.sort();
        for key in order {
            let known = self.database.packages.get(key).map(|known| known.text.as_str());
            let Some(paragraph) = self.stanzas.get(key).map(String::as_str).or(known) else {
                continue;
            };
            text.push_str(paragraph);
            if !paragraph.ends_with('\n') {
                text.push('\n');
            }
            text.push('\n');
        }
        text
    }
}
