//! Two layers, and no circle: the ground of `shared` knows nothing of the product, and no two subjects of the product
//! need each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use tests::template::root;

const GROUND: [&str; 11] =
    ["cache", "clock", "config", "connection", "http", "id", "keys", "lambda", "mongo", "queue", "telemetry"];

/// Each module of `shared`, and those that it names.
fn modules() -> BTreeMap<String, BTreeSet<String>> {
    let source = root().join("shared/src");
    let library = fs::read_to_string(source.join("lib.rs")).unwrap();
    let names: Vec<_> = library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let needs = |name: &str| {
        let code = [code_below(&source.join(name)), code_of(&source.join(format!("{name}.rs")))].concat();
        let others = names.iter().filter(|other| **other != name && mentions(&code, other));
        others.map(|other| (*other).to_owned()).collect()
    };
    names.iter().map(|name| ((*name).to_owned(), needs(name))).collect()
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

#[test]
fn the_ground_knows_nothing_of_the_product() {
    let modules = modules();
    for name in GROUND {
        let product: Vec<_> = modules[name].iter().filter(|other| !GROUND.contains(&other.as_str())).collect();
        assert!(product.is_empty(), "{name} names {product:?}");
    }
    assert!(modules["accounts"].contains("mongo"), "what is named is found");
}

#[test]
fn no_two_subjects_of_the_product_need_each_other() {
    let mut left = modules();
    left.retain(|name, _| !GROUND.contains(&name.as_str()));
    // Whoever needs nobody that is left goes, until nobody is left, or a circle.
    loop {
        let names: BTreeSet<_> = left.keys().cloned().collect();
        let before = left.len();
        left.retain(|_, needs| needs.iter().any(|need| names.contains(need)));
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "a circle among {:?}", left.keys());
}
