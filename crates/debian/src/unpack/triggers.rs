//! Triggers (deb-triggers(5)): which package waits for what, and which triggers the unpacked files
//! activate.

use super::database::{Key, info_name};
use super::package::{Old, Package};
use super::work::Work;
use crate::deb::bad;
use kraken_foundation::Result;

/// The file of `triggers` that contains all triggers by path.
const BY_PATH: &str = "File";

/// Behind the name of a package for which no other package must wait.
const NOAWAIT: &str = "/noawait";

/// A line of a package's `triggers`.
enum Line {
    Interest { name: String, waits: bool },
    Activate { name: String, waits: bool },
}

fn parse(text: &str) -> Result<Vec<Line>, String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (directive, name) = line
            .split_once(char::is_whitespace)
            .ok_or_else(|| format!("its triggers have a line {line:?} without a name"))?;
        let name = name.trim();
        let good = name.bytes().all(|byte| byte.is_ascii_graphic());
        // A name that is not a path is the name of one of dpkg's files.
        if name.is_empty() || !good || name.len() > 255 || (!name.starts_with('/') && name.contains('/')) {
            return Err(format!("its triggers have a name {name:?} that cannot be one"));
        }
        if !name.starts_with('/') && (name.starts_with('.') || [BY_PATH, "Lock", "Unincorp"].contains(&name)) {
            return Err(format!("its triggers have a name {name:?} that is dpkg's own"));
        }
        let name = name.to_owned();
        lines.push(match directive {
            "interest" | "interest-await" => Line::Interest { name, waits: true },
            "interest-noawait" => Line::Interest { name, waits: false },
            "activate" | "activate-await" => Line::Activate { name, waits: true },
            "activate-noawait" => Line::Activate { name, waits: false },
            _ => {
                return Err(format!(
                    "its triggers have a directive {directive:?} that dpkg does not know"
                ));
            }
        });
    }
    Ok(lines)
}

fn lines(package: &Package) -> Result<Vec<Line>> {
    let text = package.control.text("triggers", &package.path)?;
    parse(text).map_err(|why| bad(&package.path, &why))
}

/// A package that is interested in a trigger.
struct Interested {
    trigger: String,
    /// Its name in `info`, behind which [`NOAWAIT`] may stand.
    who: String,
}

impl Work<'_> {
    /// Activates the triggers that the package activates by name. A new package cannot wait for
    /// others yet: dpkg does not know it at this point.
    pub(super) fn activations(&mut self, package: &Package) -> Result<()> {
        let known = package.old.as_ref().is_some_and(|old| old.known.is_unpacked());
        for line in lines(package)? {
            if let Line::Activate { name, waits } = line {
                let waiting = match name.starts_with('/') {
                    true => self.waiting_below(&name),
                    false => {
                        let waiting = self.database.triggers.get(&name).cloned().unwrap_or_default();
                        let of = |who| Interested {
                            trigger: name.clone(),
                            who,
                        };
                        waiting.into_iter().map(of).collect()
                    }
                };
                self.set_off(waiting, (known && waits).then_some(package));
            }
        }
        Ok(())
    }

    /// Records the triggers that the package is interested in.
    pub(super) fn interests(&mut self, package: &Package) -> Result<()> {
        let name = info_name(&package.key, package.same);
        self.forget_interests(&name);
        if let Some(Old { key, known }) = &package.old {
            self.forget_interests(&info_name(key, known.same));
        }
        for line in lines(package)? {
            if let Line::Interest { name: trigger, waits } = line {
                self.interest(&name, &trigger, waits);
            }
        }
        Ok(())
    }

    fn forget_interests(&mut self, name: &str) {
        for (file, lines) in &mut self.database.triggers {
            let count = lines.len();
            lines.retain(|line| {
                let who = if file == BY_PATH {
                    line.rsplit(' ').next()
                } else {
                    Some(line.as_str())
                };
                who.is_none_or(|who| who.trim_end_matches(NOAWAIT) != name)
            });
            if lines.len() != count {
                self.interests.insert(file.clone());
            }
        }
    }

    fn interest(&mut self, name: &str, trigger: &str, waits: bool) {
        let who = if waits {
            name.to_owned()
        } else {
            format!("{name}{NOAWAIT}")
        };
        let (file, line) = match trigger.starts_with('/') {
            true => (BY_PATH, format!("{trigger} {who}")),
            false => (trigger, who),
        };
        let lines = self.database.triggers.entry(file.to_owned()).or_default();
        if !lines.contains(&line) {
            lines.push(line);
            self.interests.insert(file.to_owned());
        }
    }

    /// Activates the triggers for a path that `package` brings or removes, and for the folders
    /// above it.
    pub(super) fn activate_path(&mut self, path: &str, package: &Package) {
        let waiting = self.waiting_below(path);
        self.set_off(waiting, Some(package));
    }

    /// Records triggers for the packages that are interested in them; `package` then waits for
    /// those that must run something, unless they are marked noawait.
    fn set_off(&mut self, waiting: Vec<Interested>, package: Option<&Package>) {
        for Interested { trigger, who } in waiting {
            let Some(woken) = self.wake(&who, &trigger) else {
                continue;
            };
            let Some(package) = package.filter(|_| !who.ends_with(NOAWAIT)) else {
                continue;
            };
            let whom = self.awaited.entry(package.key.clone()).or_default();
            if !whom.contains(&woken) {
                whom.push(woken);
            }
        }
    }

    /// Returns the packages that are interested in triggers for a path or for a folder above it.
    fn waiting_below(&self, path: &str) -> Vec<Interested> {
        let lines = self.database.triggers.get(BY_PATH).map_or(&[][..], Vec::as_slice);
        let lines = lines.iter().filter_map(|line| line.rsplit_once(' '));
        let hit = lines.filter(|(trigger, _)| {
            let rest = path.strip_prefix(trigger);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        hit.map(|(trigger, who)| Interested {
            trigger: trigger.to_owned(),
            who: who.to_owned(),
        })
        .collect()
    }

    /// Records a trigger for a configured package of the image; returns its name in `info`.
    fn wake(&mut self, who: &str, trigger: &str) -> Option<String> {
        let name = who.trim_end_matches(NOAWAIT);
        let matches = |key: &Key| match name.split_once(':') {
            Some((name, architecture)) => key.name == name && key.architecture == architecture,
            None => key.name == name,
        };
        let configured = |state: &str| matches!(state, "installed" | "triggers-pending" | "triggers-awaited");
        let (key, known) = self
            .database
            .packages
            .iter()
            .find(|(key, known)| matches(key) && configured(&known.state))?;
        let pending = self.pending.entry(key.clone()).or_default();
        if !pending.iter().any(|other| other == trigger) {
            pending.push(trigger.to_owned());
        }
        Some(info_name(key, known.same))
    }
}
