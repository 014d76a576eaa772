//! Two layers, and no circle: the platform of `shared` knows nothing of the product, and no two modules of either need
//! each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use tests::root;

/// Each module that a file declares as public, and those that it names.
type Needs = BTreeMap<String, BTreeSet<String>>;

/// The modules of the product, or of the platform, by what of `all` they name.
fn modules(folder: &str, declared_in: &str, all: &[String]) -> Needs {
    let source = root().join("shared/src");
    let needs = |name: &String| {
        let folder = source.join(folder);
        let code = [code_below(&folder.join(name)), code_of(&folder.join(format!("{name}.rs")))].concat();
        all.iter().filter(|other| *other != name && mentions(&code, other)).cloned().collect()
    };
    declared(declared_in).iter().map(|name| (name.clone(), needs(name))).collect()
}

fn declared(file: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("shared/src").join(file)).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    names.filter(|name| *name != "platform").map(str::to_owned).collect()
}

fn platform_and_product() -> (Needs, Needs) {
    let all = [declared("platform/mod.rs"), declared("lib.rs")].concat();
    (modules("platform", "platform/mod.rs", &all), modules("", "lib.rs", &all))
}

fn code_below(folder: &Path) -> String {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { code_below(&path) } else { code_of(&path) }).collect()
}

/// Without comments, which may name anything.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Whether the code uses `crate::<module>`, alone or in a group of imports.
fn mentions(code: &str, module: &str) -> bool {
    code.split("crate::").skip(1).any(|rest| match rest.strip_prefix('{') {
        None => starts_with(rest, module),
        Some(group) => top_level(group).any(|item| starts_with(item, module)),
    })
}

fn starts_with(path: &str, module: &str) -> bool {
    path.trim_start()
        .strip_prefix(module)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
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

/// Whoever needs nobody that is left goes, until nobody is left, or a circle.
fn circle(mut left: Needs) -> BTreeSet<String> {
    loop {
        let names: BTreeSet<_> = left.keys().cloned().collect();
        left.retain(|_, needs| needs.iter().any(|need| names.contains(need)));
        if left.len() == names.len() {
            return names;
        }
    }
}

#[test]
fn the_platform_knows_nothing_of_the_product() {
    let (platform, product) = platform_and_product();
    for (name, needs) in &platform {
        let of_product: Vec<_> = needs.iter().filter(|need| product.contains_key(*need)).collect();
        assert!(of_product.is_empty(), "{name} names {of_product:?}");
    }
    assert!(product["accounts"].contains("mongo"), "what is named is found");
}

#[test]
fn no_two_modules_need_each_other() {
    let (platform, product) = platform_and_product();
    assert_eq!(circle(platform), BTreeSet::new(), "a circle in the platform");
    assert_eq!(circle(product), BTreeSet::new(), "a circle in the product");
    let two = [("a", ["b"]), ("b", ["a"])].map(|(name, needs)| (name.to_owned(), needs.map(str::to_owned).into()));
    assert_eq!(circle(two.into()).len(), 2, "a circle is found");
}

/// A binary's unit tests would be linked once more for each of the functions, and are not run: rules belong into `shared`.
#[test]
fn binaries_have_no_unit_tests() {
    for folder in ["functions/routes/src", "functions/consumers/src", "functions/jobs/src"] {
        assert!(!code_below(&root().join(folder)).contains("cfg(test)"), "{folder} has unit tests that nobody runs");
    }
}
