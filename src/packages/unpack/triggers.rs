//! Triggers (deb-triggers(5)): who waits for what, and what becomes pending by what is laid out.

use super::database::{Key, info_name};
use super::files::Package;
use super::{UnpackError, Work};
use crate::packages::deb::{DataEntry, DebError};

/// The file of `triggers` in which all triggers by path are.
const BY_PATH: &str = "File";

/// A line of a package's `triggers`.
enum Line {
    Interest { name: String, waits: bool },
    Activate(String),
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
        // A name that is no path is the name of a file of dpkg's.
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
            "activate" | "activate-await" | "activate-noawait" => Line::Activate(name),
            _ => {
                return Err(format!(
                    "its triggers have a directive {directive:?} that dpkg does not know"
                ));
            }
        });
    }
    Ok(lines)
}

impl Work<'_> {
    /// Notes what the package waits for, and what it sets off.
    pub(super) fn triggers(&mut self, package: &Package, entries: &[DataEntry]) -> Result<(), UnpackError> {
        let text = package.control.text("triggers", &package.path)?;
        let lines = parse(text).map_err(|why| DebError::bad(&package.path, why))?;
        let name = info_name(&package.key, package.same);
        self.forget_interests(&name);
        for line in &lines {
            if let Line::Interest { name: trigger, waits } = line {
                self.interest(&name, trigger, *waits);
            }
        }
        for line in &lines {
            if let Line::Activate(trigger) = line {
                self.activate(trigger);
            }
        }
        for entry in entries {
            self.activate_path(entry.path.as_str());
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
                who.is_none_or(|who| who.trim_end_matches("/noawait") != name)
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
            format!("{name}/noawait")
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

    fn activate(&mut self, trigger: &str) {
        if trigger.starts_with('/') {
            return self.activate_path(trigger);
        }
        let waiting = self.database.triggers.get(trigger).cloned().unwrap_or_default();
        for who in waiting {
            self.wake(&who, trigger);
        }
    }

    /// A path sets off what waits for it, or for a folder above it.
    fn activate_path(&mut self, path: &str) {
        let Some(lines) = self.database.triggers.get(BY_PATH) else {
            return;
        };
        let hit: Vec<(String, String)> = lines
            .iter()
            .filter_map(|line| line.rsplit_once(' '))
            .filter(|(trigger, _)| {
                let rest = path.strip_prefix(trigger);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            .map(|(trigger, who)| (trigger.to_owned(), who.to_owned()))
            .collect();
        for (trigger, who) in hit {
            self.wake(&who, &trigger);
        }
    }

    /// Notes a trigger for a package of the image that is configured.
    fn wake(&mut self, who: &str, trigger: &str) {
        let name = who.trim_end_matches("/noawait");
        let matches = |key: &Key| match name.split_once(':') {
            Some((name, architecture)) => key.0 == name && key.1 == architecture,
            None => key.0 == name,
        };
        let configured = |state: &str| matches!(state, "installed" | "triggers-pending" | "triggers-awaited");
        let found = self
            .database
            .packages
            .iter()
            .find(|(key, known)| matches(key) && configured(&known.state))
            .map(|(key, _)| key.clone());
        if let Some(key) = found {
            let pending = self.pending.entry(key).or_default();
            if !pending.iter().any(|other| other == trigger) {
                pending.push(trigger.to_owned());
            }
        }
    }
}
