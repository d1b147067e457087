//! Finds names of overlays that differ in a folder and are the same on FAT, which ignores case and
//! drops dots and spaces at the end of a name. The file written last would replace the other one
//! without a message.

use std::collections::BTreeMap;

use kraken_overlay::EntryPath;

/// What kraken-flash itself writes to the boot volume of a node. An overlay may replace these files
/// by using the same name.
const OWN: [&str; 4] = ["/cmdline.txt", "/meta-data", "/network-config", "/user-data"];

/// A name on the boot volume.
pub(super) struct Named<'a> {
    pub path: &'a EntryPath,
    pub is_file: bool,
}

/// Returns a path as FAT compares it.
fn folded(path: &str) -> String {
    let parts: Vec<_> = path
        .split('/')
        .map(|part| part.trim_end_matches(['.', ' ']).to_uppercase())
        .collect();
    parts.join("/")
}

/// Returns two names that are the same on FAT, of which at least one is a file's. Folders in two
/// spellings become one folder, which does no harm.
pub(super) fn clash<'a>(names: impl Iterator<Item = Named<'a>>) -> Option<[String; 2]> {
    // Each path that is in use, parent folders included: how it is spelled, and whether it is a
    // file.
    let mut seen: BTreeMap<String, (String, bool)> =
        OWN.iter().map(|own| (folded(own), ((*own).to_owned(), true))).collect();
    for Named { path, is_file } in names {
        let path = path.as_str();
        let ends = path.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0);
        for end in ends.chain([path.len()]) {
            let (spelled, is_file) = (&path[..end], is_file && end == path.len());
            match seen.get(&folded(spelled)) {
                Some((other, was_file)) if (other != spelled || is_file != *was_file) && (is_file || *was_file) => {
                    return Some([other.clone(), spelled.to_owned()]);
                }
                Some(_) => {}
                None => drop(seen.insert(folded(spelled), (spelled.to_owned(), is_file))),
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Option<[String; 2]> {
        let paths: Vec<_> = names
            .iter()
            .map(|name| EntryPath::new(name.trim_end_matches('/')).unwrap())
            .collect();
        clash(paths.iter().zip(names).map(|(path, name)| Named {
            path,
            is_file: !name.ends_with('/'),
        }))
    }

    #[test]
    fn names_that_are_one_on_fat_are_found() {
        for (names, want) in [
            (&["README.TXT", "Readme.txt"][..], Some(["/README.TXT", "/Readme.txt"])),
            (&["a/straße", "a/STRASSE"], Some(["/a/straße", "/a/STRASSE"])),
            (&["note", "note."], Some(["/note", "/note."])),
            (&["CMDLINE.TXT"], Some(["/cmdline.txt", "/CMDLINE.TXT"])),
            (&["User-Data"], Some(["/user-data", "/User-Data"])),
            (&["Foo", "foo/bar"], Some(["/Foo", "/foo"])),
            (&["foo/bar", "Foo"], Some(["/foo", "/Foo"])),
            (&["foo/", "foo"], Some(["/foo", "/foo"])),
            (&["cmdline.txt", "user-data", "meta-data"], None),
            (&["Overlays/a.dtbo", "overlays/b.dtbo", "OVERLAYS/"], None),
            (&["a/x", "b/x", "x"], None),
        ] {
            assert_eq!(of(names), want.map(|pair| pair.map(str::to_owned)), "{names:?}");
        }
    }
}
