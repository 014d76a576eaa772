//! Two layers, and no circle: the platform of `shared` knows nothing of the product, and no two modules of either need
//! each other; nor do any two files, there or in `infra`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use tests::root;

/// By name, those that each names.
type Needs = BTreeMap<String, BTreeSet<String>>;

/// A file's place in its crate: `["auth", "tokens"]` for `auth/tokens.rs`, `["auth"]` for `auth/mod.rs`.
type Place = Vec<String>;

struct Crate(BTreeMap<Place, Code>);

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
    fn read(folder: &str) -> Self {
        let source = root().join(folder);
        let mut files = Vec::new();
        files_below(&source, &mut files);
        let relative = |file: &String| Path::new(file).strip_prefix(&source).unwrap().display().to_string();
        // The binary beside a library is a crate of its own, of one file.
        let main = if source.join("lib.rs").exists() { "main.rs" } else { "" };
        let files = files.iter().map(|file| (relative(file), fs::read_to_string(file).unwrap()));
        Self::of(files.filter(|(file, _)| file != main))
    }

    fn of(files: impl IntoIterator<Item = (String, String)>) -> Self {
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
    fn needs(&self) -> Needs {
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

fn place(file: &str) -> Place {
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

fn files_below(folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, files) } else { files.push(path.display().to_string()) }
    }
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Those that need themselves by way of others, and of what they need those in the same circle.
fn circle(all: &Needs) -> Needs {
    let leads = |from: &String, to: &String| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(name) = next.pop() {
            next.extend(all.get(name).into_iter().flatten().filter(|need| reached.insert(*need)));
        }
        reached.contains(to)
    };
    let circles = all.iter().map(|(name, needs)| {
        let back: BTreeSet<_> = needs.iter().filter(|need| leads(need, name)).cloned().collect();
        (name.clone(), back)
    });
    circles.filter(|(_, back)| !back.is_empty()).collect()
}

/// The modules of the platform and those of the product, from the files of `shared`.
fn platform_and_product() -> (Needs, Needs) {
    let (mut platform, mut product) = (Needs::new(), Needs::new());
    for (file, needs) in Crate::read("shared/src").needs() {
        let side = if file.starts_with("platform/") { &mut platform } else { &mut product };
        let needs: Vec<_> = needs.iter().map(|need| module(need).to_owned()).collect();
        side.entry(module(&file).to_owned()).or_default().extend(needs);
    }
    for (name, needs) in platform.iter_mut().chain(&mut product) {
        needs.remove(name);
    }
    (platform, product)
}

fn module(file: &str) -> &str {
    file.trim_start_matches("platform/").split('/').next().unwrap_or_default()
}

#[test]
fn the_platform_knows_nothing_of_the_product() {
    let (platform, product) = platform_and_product();
    for (name, needs) in &platform {
        let of_product: Vec<_> = needs.iter().filter(|need| product.contains_key(*need)).collect();
        assert!(of_product.is_empty(), "{name} names {of_product:?}");
    }
    assert!(product["users"].contains("mongo"), "what is named is found");
}

#[test]
fn no_two_modules_need_each_other() {
    let (platform, product) = platform_and_product();
    assert_eq!(circle(&platform), Needs::new(), "a circle in the platform");
    assert_eq!(circle(&product), Needs::new(), "a circle in the product");
}

/// See [`Crate::needs`] for what counts.
#[test]
fn no_two_files_need_each_other() {
    for folder in ["shared/src", "infra/local/src", "infra/db/src"] {
        assert_eq!(circle(&Crate::read(folder).needs()), Needs::new(), "a circle of files in {folder}");
    }
}

#[test]
fn a_circle_of_files_is_found_however_they_name_each_other() {
    let circle_with = |mod_rs: &str, one: &str, two: &str| {
        let files = [("lib.rs", "mod a;"), ("a/mod.rs", mod_rs), ("a/one.rs", one), ("a/two.rs", two)];
        let files = files.map(|(file, text)| (file.to_owned(), text.to_owned()));
        circle(&Crate::of(files).needs()).into_keys().collect::<Vec<_>>().join(" ")
    };
    let list = "mod one;\nmod two;\npub use one::{One, first};\npub use two::Two;";
    for (one, two) in [
        ("use super::Two;", "use super::One;"),
        ("use super::{two::{self}};\nfn f() { two::g() }", "fn g() { crate::a::first() }"),
        ("use crate::a::{Two as Other};", "use super::one::{One, first};"),
    ] {
        assert_eq!(circle_with(list, one, two), "a/one a/two", "{one} {two}");
    }
    assert_eq!(circle_with(list, "use super::Two;", "use super::{two, Three};\nfn f() { two::g() }"), "");
    assert_eq!(circle_with(list, "use super::Three;", ""), "", "a list of files needs none of them");
    assert_eq!(
        circle_with(list, "use super::Two;", "#[cfg(test)]\nmod tests {\n    use super::{*, super::One};\n}"),
        ""
    );
    let user = format!("{list}\npub struct Three(One);");
    assert_eq!(circle_with(&user, "use super::Three;", ""), "a a/one");
}

/// A binary's unit tests would be linked once more for each of the functions, and are not run: rules belong into `shared`.
#[test]
fn binaries_have_no_unit_tests() {
    for folder in ["functions/routes/src", "functions/consumers/src", "functions/jobs/src"] {
        let mut files = Vec::new();
        files_below(&root().join(folder), &mut files);
        for file in files {
            assert!(
                !fs::read_to_string(&file).unwrap().contains("cfg(test)"),
                "{file} has unit tests that nobody runs"
            );
        }
    }
}
