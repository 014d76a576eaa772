//! No function grows unnoticed: a coarse net. The budgets are of the release build, which the tests do not make;
//! `cargo local bench functions` holds every function to its own, and fails above it. What the tests run is 2.2 to 2.7
//! times as large, so a function may be as much as 31 % above its budget before it is caught here.

use tests::{
    host::binary,
    template::{Function, functions},
};

/// Zip of the local build by the budget of the release build, which is 8 % above its zip: 2.1 to 2.7.
const LOCAL_BY_BUDGET: f64 = 2.9;

fn far_too_large(function: &Function) -> Option<String> {
    let zip = binary(&function.binary).with_file_name("bootstrap.zip");
    let kb = std::fs::metadata(zip).unwrap().len() / 1000;
    let allowed = LOCAL_BY_BUDGET * function.zip_kb as f64;
    (kb as f64 > allowed).then(|| format!("{}: {kb} KB, allowed {allowed:.0}", function.binary))
}

#[test]
fn no_function_is_far_larger_than_its_budget() {
    let large: Vec<_> = functions().iter().filter_map(far_too_large).collect();
    assert!(large.is_empty(), "larger than the template's Budget allows (see the head of this file): {large:#?}");
}

#[test]
fn a_function_without_a_budget_or_far_above_it_is_found() {
    let unstated = Function { zip_kb: 0, ..Function::named("health") };
    let with_driver = Function { zip_kb: Function::named("health").zip_kb, ..Function::named("stats") };
    assert!(far_too_large(&unstated).is_some() && far_too_large(&with_driver).is_some());
}
