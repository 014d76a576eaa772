//! What changed since the end-to-end tests passed: which programs, and which tests are of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{
    folder,
    imports::{Crate, Needs, files_below, is_rust, place},
    root, template,
};

/// The operator's tool, which tests run as they run functions.
pub const DB: &str = "db";
/// What all tests stand on.
const SUPPORT: &str = "support";
/// What programs and tests are made of besides their sources, below the root.
const GROUND: [&str; 8] =
    ["Cargo.lock", "Cargo.toml", "functions", "infra", "public-data", "shared", "tests/Cargo.toml", ".cargo"];

/// What the end-to-end tests stand on, each thing as a hash of the files that it is made of.
#[derive(Deserialize, Serialize)]
pub struct Sources {
    /// What concerns everything: dependencies, the template, content, the tools that start the stack.
    ground: u64,
    /// Each function and the operator's tool, by name.
    programs: BTreeMap<String, u64>,
    /// Each module of tests, by name.
    tests: BTreeMap<String, u64>,
}

impl Sources {
    /// As they are now.
    pub fn now() -> anyhow::Result<Self> {
        let tests = test_modules()?.into_iter().map(|(module, text)| (module, hash(&text))).collect();
        Ok(Self { ground: ground()?, programs: programs()?, tests })
    }

    /// As [`Sources::keep`] left them under this name.
    pub fn kept(name: &str) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder(name)).ok()?).ok()
    }

    /// Keeps them in `.local`, under this name.
    pub fn keep(&self, name: &str) -> anyhow::Result<()> {
        fs::write(folder(name), serde_json::to_string(self)?).with_context(|| format!("cannot write {name}"))
    }

    /// Every function, and the operator's tool.
    pub fn programs(&self) -> Vec<String> {
        self.programs.keys().cloned().collect()
    }

    /// The programs that are made of something else than they were `before`.
    pub fn programs_changed(&self, before: Option<&Self>) -> Vec<String> {
        let Some(before) = before.filter(|before| before.ground == self.ground) else { return self.programs() };
        let changed = self.programs.iter().filter(|(name, hash)| before.programs.get(*name) != Some(*hash));
        changed.map(|(name, _)| name.clone()).collect()
    }

    /// The modules of tests that changed since all passed, and those that name a program that did, or its route.
    /// All of them where what passed is not known, or where what they all stand on changed.
    pub fn tests_changed(&self, passed: Option<&Self>) -> anyhow::Result<Vec<String>> {
        let mut modules = test_modules()?;
        modules.remove(SUPPORT);
        let same_ground =
            |passed: &&Self| passed.ground == self.ground && passed.tests.get(SUPPORT) == self.tests.get(SUPPORT);
        let Some(passed) = passed.filter(same_ground) else { return Ok(modules.into_keys().collect()) };
        let marks = marks(&self.programs_changed(Some(passed)));
        let is_changed = |(module, text): &(String, String)| {
            self.tests.get(module) != passed.tests.get(module) || marks.iter().any(|mark| text.contains(mark))
        };
        Ok(modules.into_iter().filter(is_changed).map(|(module, _)| module).collect())
    }
}

/// How tests name these programs: by name, by the path of a binary, or by the path of a route.
fn marks(programs: &[String]) -> Vec<String> {
    let of_routes = template::functions().into_iter().filter(|function| programs.contains(&function.binary));
    let routes = of_routes.flat_map(|function| function.routes);
    let paths = routes.filter_map(|route| route.split_once(' ').map(|(_, path)| format!("{path}\"")));
    let names = programs.iter().flat_map(|name| [format!("\"{name}\""), format!("/{name}\"")]);
    names.chain(paths).collect()
}

/// A hash for each program of what it is made of.
fn programs() -> anyhow::Result<BTreeMap<String, u64>> {
    let (sources, mains) = sources()?;
    let hash_of = |main| {
        let parts: Vec<_> =
            sources.made_of(main).into_iter().map(|place| (sources.hashes.get(&place), place)).collect();
        hash(&parts)
    };
    Ok(mains.into_iter().map(|(name, main)| (name, hash_of(main))).collect())
}

/// Every source file that programs are made of.
struct Programs {
    /// By its place, a hash of what is in it.
    hashes: BTreeMap<String, u64>,
    /// By its place, the others that it needs.
    needs: Needs,
    /// Files of `shared` that no other names: they may implement something for everybody.
    of_all: Vec<String>,
}

impl Programs {
    /// This file, and all that it needs by way of others.
    fn made_of(&self, main: String) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut next = self.of_all.clone();
        next.push(main);
        while let Some(place) = next.pop() {
            next.extend(self.needs.get(&place).into_iter().flatten().filter(|need| !reached.contains(*need)).cloned());
            reached.insert(place);
        }
        reached
    }
}

/// The sources of all programs; each program's name, and the place of its own file.
fn sources() -> anyhow::Result<(Programs, Vec<(String, String)>)> {
    let mut files = files_below(&root().join("shared/src"))?;
    let mut mains = Vec::new();
    for package in ["functions/routes", "functions/consumers", "functions/jobs", "infra/db"] {
        for (file, text) in files_below(&root().join(package).join("src"))? {
            let file = format!("{package}/src/{file}");
            let operators = file.strip_suffix("src/main.rs").map(|_| DB);
            let function = file.split_once("/src/bin/").and_then(|(_, name)| name.strip_suffix(".rs"));
            mains.extend(function.or(operators).map(|name| (name.to_owned(), place(&file).join("/"))));
            let text = in_one_crate(&file, package, &text);
            files.insert(file, text);
        }
    }
    // Paths lead through folders.
    for folder in ["functions/routes/src/bin", "functions/consumers/src/bin", "functions/jobs/src/bin", "infra/db"] {
        for folder in Path::new(folder).ancestors().filter(|folder| *folder != Path::new("")) {
            files.entry(format!("{}/mod.rs", folder.display())).or_default();
        }
    }
    let hashes: BTreeMap<_, _> = files.iter().map(|(file, text)| (place(file).join("/"), hash(text))).collect();
    let all = Crate::of(files);
    let is_shared = |place: &String| {
        !["functions/", "infra/", "tests"].iter().any(|end| place.starts_with(end)) && hashes.contains_key(place)
    };
    let of_all = all.unnamed().into_iter().filter(is_shared).collect();
    Ok((Programs { hashes, needs: all.needs(), of_all }, mains))
}

/// A file of another package as one of `shared` would be: so all are one crate, and are looked through as one.
fn in_one_crate(file: &str, package: &str, text: &str) -> String {
    let own_root =
        if file.contains("/src/bin/") { place(file).join("::") } else { format!("{package}/src").replace('/', "::") };
    let text = text.replace("crate::", &format!("crate::{own_root}::")).replace("shared::", "crate::");
    // A module by its path: what `mod` names is in that file.
    let mut lines = text.lines();
    let mut out = String::new();
    while let Some(line) = lines.next() {
        let path = line.strip_prefix("#[path = \"").and_then(|path| path.strip_suffix(".rs\"]"));
        let name = path.and_then(|_| lines.next()?.strip_prefix("mod ")?.strip_suffix(';'));
        if let Some((path, name)) = path.zip(name) {
            let path = path.trim_end_matches("/mod");
            let (above, path) = path.strip_prefix("../").map_or(("bin::", path), |path| ("", path));
            let package = package.replace('/', "::");
            out.extend(["use crate::", &package, "::src::", above, path, " as ", name, ";\n"]);
        } else {
            out.extend([line, "\n"]);
        }
    }
    out
}

/// Everything below [`GROUND`] but programs' sources and documents.
fn ground() -> anyhow::Result<u64> {
    let mut files = BTreeMap::new();
    for name in GROUND {
        read_below(name, &mut files)?;
    }
    Ok(hash(&files))
}

fn read_below(name: &str, files: &mut BTreeMap<String, Vec<u8>>) -> anyhow::Result<()> {
    let path = root().join(name);
    if path.is_dir() {
        for entry in fs::read_dir(&path)? {
            read_below(&format!("{name}/{}", entry?.file_name().to_string_lossy()), files)?;
        }
        return Ok(());
    }
    let is_tool = ["infra/local/", "infra/operate/"].iter().any(|tool| name.starts_with(tool));
    let is_source = is_rust(&path) && !is_tool;
    let is_document = path.extension().is_some_and(|extension| extension == "md" || extension == "svg");
    if !is_source && !is_document {
        files.insert(name.to_owned(), fs::read(&path).with_context(|| format!("cannot read {name}"))?);
    }
    Ok(())
}

/// The text of each module of the end-to-end tests, files below it included.
fn test_modules() -> anyhow::Result<BTreeMap<String, String>> {
    let mut modules = BTreeMap::<String, String>::new();
    for folder in ["tests", "tests/deployed", "tests/alone"] {
        for file in fs::read_dir(root().join(folder))? {
            let path = file?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let is_source = path.is_dir() || is_rust(&path);
            if is_source && !["e2e", "bench", "fuzz", "deployed", "alone"].contains(&name.as_str()) {
                modules.entry(name).or_default().push_str(&text_below(&path)?);
            }
        }
    }
    Ok(modules)
}

fn text_below(path: &Path) -> anyhow::Result<String> {
    if !path.is_dir() {
        return Ok(fs::read_to_string(path)?);
    }
    let mut paths = fs::read_dir(path)?.map(|file| Ok(file?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    paths.iter().map(|path| text_below(path)).collect()
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_of_tests_has_what_lies_below_it() {
        let modules = test_modules().expect("readable");
        assert!(modules.contains_key(SUPPORT) && modules["faults"].contains("mod ") && !modules.contains_key("e2e"));
        assert!(
            modules.contains_key("smoke") && modules.contains_key("freeze_resume"),
            "by its own name in any folder"
        );
    }

    #[test]
    fn a_program_is_made_of_its_own_file_and_of_what_it_needs() {
        let (sources, mains) = sources().expect("readable");
        let made_of = |name: &str| {
            let main = mains.iter().find(|(program, _)| program == name).expect("a program").1.clone();
            sources.made_of(main)
        };
        let (check, health, stats) = (made_of("check-usage-alerts"), made_of("health"), made_of("stats"));
        assert!(check.contains("usage/alerts/evaluate") && !stats.contains("usage/alerts/evaluate"), "{stats:?}");
        assert!(stats.contains("stats") && !health.contains("stats"), "{health:?}");
        let openapi = made_of("openapi");
        assert!(openapi.contains("functions/routes/src/bin/stats"), "by way of a path");
        assert!(openapi.contains("functions/routes/src/document/headers"), "by way of a folder");
        assert!(made_of(DB).contains("infra/db/src/fill") && made_of(DB).contains("schema"));
    }
}
