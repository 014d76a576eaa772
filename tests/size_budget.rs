//! No function grows unnoticed. The budgets are the release build's, which takes half an hour and which
//! `cargo local bench functions` checks; what the tests run is larger, by much the same factor for every function.

use tests::{
    host::binary,
    template::{Function, functions},
};

/// Zip of the local build by that of the release build: measured 3.2 to 4.3, the budgets being 8 % above the latter.
const LOCAL_BY_RELEASE: f64 = 4.1;

fn too_large(function: &Function) -> Option<String> {
    let zip = binary(&function.binary).with_file_name("bootstrap.zip");
    let kb = std::fs::metadata(zip).unwrap().len() / 1000;
    let allowed = LOCAL_BY_RELEASE * function.zip_kb as f64;
    (kb as f64 > allowed).then(|| format!("{}: {kb} KB, allowed {allowed:.0}", function.binary))
}

#[test]
fn no_function_is_larger_than_its_budget() {
    let large: Vec<_> = functions().iter().filter_map(too_large).collect();
    assert!(large.is_empty(), "larger than the template's Budget allows (see the head of this file): {large:#?}");
}

#[test]
fn a_function_without_a_budget_or_above_it_is_found() {
    let unstated = Function { zip_kb: 0, ..Function::named("health") };
    let with_driver = Function { zip_kb: Function::named("health").zip_kb, ..Function::named("stats") };
    assert!(too_large(&unstated).is_some() && too_large(&with_driver).is_some());
}
