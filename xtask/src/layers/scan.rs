//! Finds every path that a source file names, with its line: in `use`, in expressions and types, in
//! macros and attributes.
//!
//! Code under `#[cfg(test)]` is skipped: tests may use everything.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, File, Item, ItemMod, ItemUse, Macro, Meta, Path, UseTree, VisRestricted};

/// A path that the file names.
#[derive(Debug, PartialEq)]
pub struct Named {
    /// The line, starting at 1.
    pub line: usize,
    /// The segments: from the crate's root if [`Named::own`], otherwise as written.
    pub path: Vec<String>,
    /// Whether the path leads into this crate.
    pub own: bool,
}

/// What a file names, and which modules it declares for tests only.
#[derive(Default)]
pub struct Scan {
    /// The paths, in the order of the text.
    pub named: Vec<Named>,
    /// Modules declared as `#[cfg(test)] mod name;`.
    pub test_modules: Vec<String>,
    /// Whole layers imported by name, as in `use crate::flow;`: the name here, and the layer.
    layers: Vec<(String, String)>,
    module: Vec<String>,
}

/// Scans a file that is the module `module` (from the crate's root).
pub fn scan(file: &File, module: Vec<String>) -> Scan {
    let mut scan = Scan {
        module,
        ..Scan::default()
    };
    scan.visit_file(file);
    scan.follow_layers();
    scan
}

impl Scan {
    fn add(&mut self, line: usize, path: &[String]) {
        let Some(first) = path.first() else { return };
        let (mut base, mut rest) = match first.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (self.module.clone(), &path[1..]),
            "super" => (self.module.clone(), path),
            _other => {
                self.named.push(Named {
                    line,
                    path: path.to_vec(),
                    own: false,
                });
                return;
            }
        };
        while let Some(("super", after)) = rest
            .split_first()
            .map(|(word, after)| (word.as_str(), after))
        {
            base.pop();
            rest = after;
        }
        base.extend(rest.iter().cloned());
        self.named.push(Named {
            line,
            path: base,
            own: true,
        });
    }

    fn add_tree(&mut self, prefix: &[String], tree: &UseTree) {
        let mut path = prefix.to_vec();
        match tree {
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.add_tree(&path, &inner.tree);
            }
            UseTree::Group(group) => group
                .items
                .iter()
                .for_each(|inner| self.add_tree(&path, inner)),
            UseTree::Name(name) => {
                if name.ident != "self" {
                    path.push(name.ident.to_string());
                }
                let bound = path.last().cloned().unwrap_or_default();
                self.add_import(name.span().start().line, &path, bound);
            }
            UseTree::Rename(rename) => {
                if rename.ident != "self" {
                    path.push(rename.ident.to_string());
                }
                self.add_import(rename.span().start().line, &path, rename.rename.to_string());
            }
            UseTree::Glob(glob) => self.add(glob.span().start().line, &path),
        }
    }

    fn add_import(&mut self, line: usize, path: &[String], bound: String) {
        self.add(line, path);
        if let Some(Named {
            path, own: true, ..
        }) = self.named.last()
            && let [layer] = path.as_slice()
        {
            self.layers.push((bound, layer.clone()));
        }
    }

    /// After `use crate::flow;`, reads `flow::login` as `crate::flow::login`.
    fn follow_layers(&mut self) {
        for named in self.named.iter_mut().filter(|named| !named.own) {
            let first = named.path.first();
            if let Some((_, layer)) = self.layers.iter().find(|(bound, _)| Some(bound) == first) {
                named.path[0].clone_from(layer);
                named.own = true;
            }
        }
    }

    /// Adds paths in tokens that syn does not parse: macro bodies and attributes. Only the macro
    /// knows what `super` means there.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < trees.len() {
            if let TokenTree::Group(group) = &trees[at] {
                self.add_tokens(group.stream());
            }
            if let TokenTree::Ident(first) = &trees[at]
                && is_path_separator(&trees, at + 1)
            {
                let line = first.span().start().line;
                let mut path = vec![first.to_string()];
                at += 1;
                while is_path_separator(&trees, at) {
                    match trees.get(at + 2) {
                        Some(TokenTree::Ident(next)) => path.push(next.to_string()),
                        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                            self.add_group(line, &path, group.stream());
                            path.clear();
                        }
                        _other => break,
                    }
                    at += 3;
                }
                if !path
                    .first()
                    .is_some_and(|word| word == "super" || word == "self")
                {
                    self.add(line, &path);
                }
                continue;
            }
            at += 1;
        }
    }

    /// Adds the first words of `prefix::{a::b, c}`.
    fn add_group(&mut self, line: usize, prefix: &[String], tokens: TokenStream) {
        let mut fresh = true;
        for tree in tokens {
            match tree {
                TokenTree::Ident(word) if fresh => {
                    let mut path = prefix.to_vec();
                    path.push(word.to_string());
                    self.add(line, &path);
                    fresh = false;
                }
                TokenTree::Punct(mark) if mark.as_char() == ',' => fresh = true,
                _other => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Scan {
    fn visit_item(&mut self, item: &'ast Item) {
        if !attributes(item).iter().any(is_test_only) {
            visit::visit_item(self, item);
        } else if let Item::Mod(ItemMod {
            content: None,
            ident,
            ..
        }) = item
        {
            self.test_modules.push(ident.to_string());
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.add_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.segments.len() > 1 {
            let words: Vec<String> = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect();
            self.add(path.span().start().line, &words);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let exported = call.path.segments.len() == 2 && call.path.segments[0].ident == "crate";
        if !exported {
            self.visit_path(&call.path);
        }
        self.add_tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        self.visit_path(attribute.path());
        if let Meta::List(list) = &attribute.meta {
            self.add_tokens(list.tokens.clone());
        }
    }

    /// `pub(super)` and `pub(in …)` say who may see an item, not what is used.
    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}
}

fn is_path_separator(trees: &[TokenTree], at: usize) -> bool {
    let is_colon = |tree: Option<&TokenTree>| matches!(tree, Some(TokenTree::Punct(mark)) if mark.as_char() == ':');
    is_colon(trees.get(at)) && is_colon(trees.get(at + 1))
}

/// Matches `#[cfg(test)]`, or a cfg with `test` among other conditions.
fn is_test_only(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else {
        return false;
    };
    if !attribute.path().is_ident("cfg") {
        return false;
    }
    let text = list.tokens.to_string();
    text == "test" || text.starts_with("all (test") || text.starts_with("all(test")
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _other => &[],
    }
}
