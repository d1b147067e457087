//! The paths that an item names, also inside macros.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, ItemMod, Macro, Path, Visibility};

/// A path, segment by segment: `super`, `name`, `Item`.
pub(super) type Reference = Vec<String>;

#[derive(Default)]
struct Collector(Vec<Reference>);

/// Every path in an item.
pub(super) fn references(item: &Item) -> Vec<Reference> {
    let mut collector = Collector::default();
    collector.visit_item(item);
    collector.0
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string());
            self.0.push(segments.collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        collect_tokens(call.tokens.clone(), &mut self.0);
        visit::visit_macro(self, call);
    }

    // `pub(super)` uses nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    // A module inside of a function is of no interest here; those of files are read by their own.
    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}
}

/// What looks like a path: names with `::` between them.
fn collect_tokens(tokens: TokenStream, found: &mut Vec<Reference>) {
    let mut path: Reference = Vec::new();
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                if colons != 2 {
                    found.push(std::mem::take(&mut path));
                }
                path.push(name.to_string());
                colons = 0;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            other => {
                if let TokenTree::Group(group) = other {
                    collect_tokens(group.stream(), found);
                }
                found.push(std::mem::take(&mut path));
                colons = 0;
            }
        }
    }
    found.push(path);
    found.retain(|path| !path.is_empty());
}
