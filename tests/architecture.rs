//! Two layers, and no circle: the platform of `shared` knows nothing of the product, and no two modules of either need
//! each other; nor do any two files, there or in `infra`.

use std::collections::BTreeSet;

use local::imports::{Crate, Needs, files_below};
use tests::root;

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

fn read(folder: &str) -> Crate {
    Crate::read(&root().join(folder)).unwrap()
}

/// The modules of the platform and those of the product, from the files of `shared`.
fn platform_and_product() -> (Needs, Needs) {
    let (mut platform, mut product) = (Needs::new(), Needs::new());
    for (file, needs) in read("shared/src").needs() {
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
    for folder in ["shared/src", "infra/local/src", "infra/db/src", "infra/operate/src"] {
        assert_eq!(circle(&read(folder).needs()), Needs::new(), "a circle of files in {folder}");
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
        for (file, text) in files_below(&root().join(folder)).unwrap() {
            assert!(!text.contains("cfg(test)"), "{folder}/{file} has unit tests that nobody runs");
        }
    }
}

/// The table of threats says which test shows what it claims: a module of tests, or one of its tests.
#[test]
fn every_test_that_the_table_of_threats_names_is_there() {
    let text = std::fs::read_to_string(root().join("functions/README.md")).unwrap();
    let (_, table) = text.split_once("\n## Threats\n").unwrap();
    let rows: Vec<&str> =
        table.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| !line.is_empty()).collect();
    let named = rows.iter().skip(2).flat_map(|row| row.rsplit(" | ").next().unwrap().split('`').skip(1).step_by(2));
    let named: Vec<&str> = named.collect();
    assert!(named.len() >= rows.len() - 2, "{named:?}");
    for name in named {
        let text =
            |module: &str| std::fs::read_to_string(root().join(format!("tests/{}.rs", module.replace("::", "/")))).ok();
        let has = |(module, function): (&str, &str)| text(module)?.contains(&format!("fn {function}(")).then_some(());
        let is_there = text(name).is_some() || name.rsplit_once("::").and_then(has).is_some();
        assert!(is_there, "there is no test {name}");
    }
}
