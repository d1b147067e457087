//! The tree of a crate's modules, and what each file of it uses.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, Meta, UseTree};

use super::graph::Uses;
use super::references::{Reference, references};

/// Place of a module in [`ModuleTree::modules`].
type Number = usize;

/// All modules of a crate that are compiled without its tests.
pub(super) struct ModuleTree {
    modules: Vec<Module>,
}

struct Module {
    file: PathBuf,
    parent: Option<Number>,
    children: BTreeMap<String, Number>,
    /// Names that a `use` brings in, with the path that they stand for.
    imports: BTreeMap<String, Reference>,
    references: Vec<Reference>,
}

impl ModuleTree {
    /// Reads a crate from its root file.
    ///
    /// # Errors
    /// When a file is missing, or is not Rust.
    pub(super) fn read(root: &Path) -> Result<Self, Box<dyn Error>> {
        let mut tree = Self { modules: Vec::new() };
        let folder = root.parent().unwrap_or(Path::new(""));
        tree.read_file(root.canonicalize()?, folder, None)?;
        Ok(tree)
    }

    /// Reads a file; `folder` is where its modules are.
    fn read_file(&mut self, file: PathBuf, folder: &Path, parent: Option<Number>) -> Result<Number, Box<dyn Error>> {
        let text = fs::read_to_string(&file).map_err(|error| format!("reading {}: {error}", file.display()))?;
        let parsed = syn::parse_file(&text).map_err(|error| format!("parsing {}: {error}", file.display()))?;
        self.add(file, folder, parent, parsed.items)
    }

    fn add(
        &mut self,
        file: PathBuf,
        folder: &Path,
        parent: Option<Number>,
        items: Vec<Item>,
    ) -> Result<Number, Box<dyn Error>> {
        let number = self.modules.len();
        self.modules.push(Module {
            file: file.clone(),
            parent,
            children: BTreeMap::new(),
            imports: BTreeMap::new(),
            references: Vec::new(),
        });
        for item in items {
            match item {
                Item::Mod(module) if is_test(&module.attrs) => {}
                Item::Mod(module) => {
                    let name = module.ident.to_string();
                    let inner = folder.join(&name);
                    let child = match module.content {
                        Some((_, items)) => self.add(file.clone(), &inner, Some(number), items)?,
                        None => {
                            let beside = folder.join(format!("{name}.rs"));
                            let within = inner.join("mod.rs");
                            let child = if beside.exists() { beside } else { within };
                            self.read_file(child.canonicalize().unwrap_or(child), &inner, Some(number))?
                        }
                    };
                    self.modules[number].children.insert(name, child);
                }
                Item::Use(import) if !is_test(&import.attrs) => {
                    let mut found = Vec::new();
                    imports(&import.tree, &mut Vec::new(), &mut found);
                    for (name, path) in found {
                        self.modules[number].references.push(path.clone());
                        self.modules[number].imports.insert(name, path);
                    }
                }
                item => self.modules[number].references.extend(references(&item)),
            }
        }
        Ok(number)
    }

    /// Which file uses which.
    pub(super) fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        for (number, module) in self.modules.iter().enumerate() {
            let used = uses.entry(module.file.clone()).or_default();
            for reference in &module.references {
                let Some(target) = self.resolve(number, reference, 0) else {
                    continue;
                };
                let file = &self.modules[target].file;
                if *file != module.file {
                    used.insert(file.clone());
                }
            }
        }
        uses
    }

    /// The module in which what a path names is defined; `None` when it is of another crate.
    fn resolve(&self, from: Number, path: &[String], depth: usize) -> Option<Number> {
        let mut at = from;
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                at = 0;
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {
                while let Some("super") = rest.first().map(String::as_str) {
                    at = self.modules[at].parent?;
                    rest = &rest[1..];
                }
            }
            first => {
                let module = &self.modules[from];
                if !(module.children.contains_key(first) || depth > 0 && module.imports.contains_key(first)) {
                    return None;
                }
            }
        }
        for (place, name) in rest.iter().enumerate() {
            let module = &self.modules[at];
            if let Some(child) = module.children.get(name) {
                at = *child;
            } else if let Some(import) = module.imports.get(name).filter(|_| depth < 20) {
                // The import may itself name a module, in which the rest of the path is looked for.
                let whole: Vec<String> = import.iter().chain(&rest[place + 1..]).cloned().collect();
                return self.resolve(at, &whole, depth + 1);
            } else {
                break;
            }
        }
        Some(at)
    }
}

/// The names that a `use` brings in, each with its path.
fn imports(tree: &UseTree, before: &mut Vec<String>, found: &mut Vec<(String, Reference)>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            imports(&path.tree, before, found);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            found.push((before.last().cloned().unwrap_or_default(), before.clone()));
        }
        UseTree::Name(name) => {
            let path = before.iter().cloned().chain([name.ident.to_string()]).collect();
            found.push((name.ident.to_string(), path));
        }
        UseTree::Rename(rename) => {
            let last = rename.ident.to_string();
            let path = before.iter().cloned().chain((last != "self").then_some(last)).collect();
            found.push((rename.rename.to_string(), path));
        }
        // Of what it brings in no name is known; the module itself is used.
        UseTree::Glob(_) => found.push((format!("{}::*", before.join("::")), before.clone())),
        UseTree::Group(group) => {
            for tree in &group.items {
                imports(tree, before, found);
            }
        }
    }
}

/// Whether `#[cfg(test)]` stands before it.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::graph::rings;
    use super::*;

    /// The rings of a crate of these files, by their names.
    fn rings_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tree = ModuleTree::read(&folder.path().join("lib.rs")).unwrap();
        let base = folder.path().canonicalize().unwrap();
        let name = |path: PathBuf| path.strip_prefix(&base).unwrap().display().to_string();
        let found = rings(&tree.uses());
        found
            .into_iter()
            .map(|ring| ring.into_iter().map(&name).collect())
            .collect()
    }

    #[test]
    fn siblings_that_use_each_other_are_a_ring() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use a::A;"),
            ("a.rs", "pub struct A(super::b::B);"),
            ("b.rs", "use crate::A; pub struct B; fn f(_: &A) {}"),
        ];
        assert_eq!(rings_of(&files), [["a.rs", "b.rs"]]);
    }

    #[test]
    fn a_parent_that_only_hands_on_is_none() {
        let files = [
            ("lib.rs", "mod room; fn f() { room::run() }"),
            (
                "room/mod.rs",
                "mod error; mod work; pub use error::Error; pub use work::run;",
            ),
            ("room/error.rs", "pub struct Error;"),
            (
                "room/work.rs",
                "use super::Error; pub fn run() -> Result<(), Error> { Ok(()) }",
            ),
        ];
        assert!(rings_of(&files).is_empty());
    }

    #[test]
    fn a_child_that_uses_what_its_parent_defines_is_one_if_the_parent_uses_it() {
        let files = [
            ("lib.rs", "mod work; pub struct Error; fn f() { let _ = work::run(); }"),
            ("work.rs", "pub fn run() -> Vec<super::Error> { vec![] }"),
        ];
        assert_eq!(rings_of(&files), [["lib.rs", "work.rs"]]);
    }

    #[test]
    fn what_stands_in_a_macro_or_a_test_counts_and_does_not() {
        let in_macro = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub fn f() { println!(\"{}\", super::b::g()); }"),
            ("b.rs", "pub fn g() -> u8 { crate::a::f(); 1 }"),
        ];
        assert_eq!(rings_of(&in_macro), [["a.rs", "b.rs"]]);
        let in_test = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "#[cfg(test)] mod tests { use crate::b::g; } pub fn f() {}"),
            ("b.rs", "pub fn g() -> u8 { crate::a::f(); 1 }"),
        ];
        assert!(rings_of(&in_test).is_empty());
    }
}
