//! Which source file needs which: read from what they import and name, for the tests of the architecture and for
//! `cargo local test --quick`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

/// By name, those that each names.
pub type Needs = BTreeMap<String, BTreeSet<String>>;

/// A file's place in its crate: `["auth", "tokens"]` for `auth/tokens.rs`, `["auth"]` for `auth/mod.rs`.
pub type Place = Vec<String>;

/// The files of a crate, or of several that are read as one.
pub struct Crate(BTreeMap<Place, Code>);

/// A file, without its comments, which may name anything.
struct Code {
    imports: Vec<Import>,
    /// All but the imports.
    body: String,
}

struct Import {
    path: Vec<String>,
    name: String,
    /// Whether others may import it from here.
    exported: bool,
}

impl Crate {
    /// The crate whose sources lie in a folder.
    pub fn read(source: &Path) -> io::Result<Self> {
        let mut files = files_below(source)?;
        // The binary beside a library is a crate of its own, of one file.
        if files.contains_key("lib.rs") {
            files.remove("main.rs");
        }
        Ok(Self::of(files))
    }

    /// A crate of these files: the name of each below the crate's folder, and its text.
    pub fn of(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut code = BTreeMap::new();
        for (file, text) in files {
            let (place, text) = (place(&file), without_comments(&text));
            let (text, tests) = text.split_once("mod tests {").unwrap_or((&text, ""));
            code.insert([&place[..], &["tests".to_owned()]].concat(), Code::parse(tests));
            code.insert(place, Code::parse(text));
        }
        Self(code)
    }

    /// The file that a path leads to from `from`, and whether it names something in that file and not the module alone.
    /// Re-exports are followed to where the thing is defined. Nothing for another crate's.
    fn resolve(&self, from: &Place, path: &[String]) -> Option<(Place, bool)> {
        let (first, mut rest) = path.split_first()?;
        let mut at = from.clone();
        match first.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()),
            name if self.child(&at, name).is_some() || self.0[&at].import(name).is_some() => rest = path,
            _ => return None,
        }
        while let Some((name, more)) = rest.split_first() {
            if name == "super" {
                at.pop();
            } else if let Some(child) = self.child(&at, name) {
                at = child;
            } else {
                let import = self.0[&at].import(name);
                return import.map_or(Some((at.clone(), true)), |to| self.resolve(&at, &[&to.path, more].concat()));
            }
            rest = more;
        }
        Some((at, false))
    }

    fn child(&self, at: &Place, name: &str) -> Option<Place> {
        let child = [at.as_slice(), &[name.to_owned()]].concat();
        self.0.contains_key(&child).then_some(child)
    }

    /// Each file, and those that define something that it names. To import a module is not to need its file: what is
    /// named by way of it counts. To re-export what a file below defines counts if the re-exporting file uses it too: a
    /// `mod.rs` that lists its children needs none of them, so they may take from it what it defines. A file's unit
    /// tests stand for themselves: they may need whatever needs the file.
    pub fn needs(&self) -> Needs {
        let needs = |from: &Place, code: &Code| {
            let is_list = |import: &Import, to: &Place| {
                import.exported && to.starts_with(from) && !words(&code.body).any(|word| word == import.name)
            };
            let imported = code.imports.iter().filter_map(|import| {
                let (to, names_item) = self.resolve(from, &import.path)?;
                (names_item && !is_list(import, &to)).then_some(to)
            });
            let named = code.paths().filter_map(|path| self.resolve(from, &path)).map(|(to, _)| to);
            imported.chain(named).filter(|to| to != from).map(|to| to.join("/")).collect()
        };
        self.0.iter().map(|(from, code)| (from.join("/"), needs(from, code))).collect()
    }

    /// Files that have code of their own, and that no other file names.
    pub fn unnamed(&self) -> BTreeSet<String> {
        let named: BTreeSet<_> = self.needs().into_values().flatten().collect();
        let with_code = self.0.iter().filter(|(_, code)| !code.body.trim().is_empty());
        with_code.map(|(place, _)| place.join("/")).filter(|place| !named.contains(place)).collect()
    }
}

impl Code {
    fn parse(text: &str) -> Self {
        let (mut imports, mut body, mut lines) = (Vec::new(), String::new(), text.lines());
        while let Some(line) = lines.next() {
            if line.ends_with(';') && (line.starts_with("mod ") || line.starts_with("pub mod ")) {
                continue;
            }
            let (visibility, tree) = line.trim_start().split_once("use ").unwrap_or(("", ""));
            if tree.is_empty() || !(visibility.is_empty() || visibility.starts_with("pub")) {
                body.extend([line, "\n"]);
                continue;
            }
            let mut tree = tree.to_owned();
            while let Some(more) = (!tree.ends_with(';')).then(|| lines.next()).flatten() {
                tree.push_str(more);
            }
            expand(&[], tree.trim_end_matches(';'), &mut |path, name| {
                imports.push(Import { path, name, exported: !visibility.is_empty() });
            });
        }
        Self { imports, body }
    }

    /// What a name stands for that is imported; nothing for a crate's own name.
    fn import(&self, name: &str) -> Option<&Import> {
        self.imports.iter().find(|import| import.name == name && import.path[0] != name && name != "*")
    }

    /// Every `one::or::more` of the body.
    fn paths(&self) -> impl Iterator<Item = Vec<String>> {
        let paths = self.body.split(|c: char| !(c.is_alphanumeric() || "_:".contains(c)));
        paths.filter(|path| path.contains("::")).map(|path| segments(path.trim_end_matches(':')))
    }
}

/// `auth/tokens.rs` → `["auth", "tokens"]`.
pub fn place(file: &str) -> Place {
    let mut place: Place = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    place.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
    place
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(|segment| segment.trim().to_owned()).collect()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_'))
}

/// Each path of a tree of imports, with the name that it gives.
fn expand(above: &[String], tree: &str, each: &mut impl FnMut(Vec<String>, String)) {
    if let Some((head, group)) = tree.split_once('{') {
        let above = [above, &segments(head.trim().trim_end_matches("::"))].concat();
        let above: Vec<String> = above.into_iter().filter(|segment| !segment.is_empty()).collect();
        return top_level(group).for_each(|part| expand(&above, part, each));
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias)));
    let mut path = [above, &segments(path)].concat();
    path.pop_if(|last| last == "self" || last.is_empty());
    if let Some(last) = path.last().cloned() {
        each(path, alias.map_or(last, |alias| alias.trim().to_owned()));
    }
}

/// The items of a group of imports, up to its end.
fn top_level(group: &str) -> impl Iterator<Item = &str> {
    let mut depth = 1;
    let end = group.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    });
    let mut depth = 0;
    group[..end.unwrap_or(group.len())].split(move |c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    })
}

/// The text of every Rust file below a folder, by its name there.
pub fn files_below(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned()))?;
        if path.is_dir() {
            files.extend(files_below(&path)?.into_iter().map(|(below, text)| (format!("{name}/{below}"), text)));
        } else if is_rust(&path) {
            files.insert(name, fs::read_to_string(path)?);
        }
    }
    Ok(files)
}

/// Whether a file is one of Rust, by its name.
pub fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}
