//! The starter library is worth serving: complete, consistent, and no two prompts alike.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value;
use tests::template::root;

const ROLES: [&str; 16] = [
    "architect",
    "cto",
    "designer",
    "devops-sre",
    "director",
    "engineer",
    "engineering-director",
    "engineering-manager",
    "product-director",
    "product-manager",
    "product-owner",
    "qa",
    "scrum-master",
    "vp",
    "vp-engineering",
    "vp-product",
];
const CATEGORIES: [&str; 19] = [
    "analytics",
    "architecture",
    "code-generation",
    "code-review",
    "culture",
    "debugging",
    "design",
    "documentation",
    "general",
    "leadership",
    "learning",
    "management",
    "performance",
    "process",
    "product",
    "refactoring",
    "security",
    "strategy",
    "testing",
];
/// Prompts whose sets of words overlap by more (Jaccard) are one prompt written twice.
const ALIKE: f64 = 0.6;

fn file(name: &str) -> Value {
    let text = std::fs::read_to_string(root().join("public-data").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn list(name: &str, field: &str) -> Vec<Value> {
    file(&format!("{name}.json"))[field].as_array().unwrap().clone()
}

fn text<'a>(item: &'a Value, field: &str) -> &'a str {
    item[field].as_str().unwrap_or_else(|| panic!("{field} of {}", item["id"]))
}

fn all_differ(items: &[Value], field: &str) {
    let mut seen = HashSet::new();
    for item in items {
        assert!(seen.insert(text(item, field).to_lowercase()), "{field} twice: {}", text(item, field));
    }
}

#[test]
fn the_numbers_are_those_of_the_audit_and_every_backup_is_its_primary() {
    assert_eq!(list("prompts", "prompts").len(), 296);
    assert_eq!(list("patterns", "patterns").len(), 18);
    assert_eq!(list("learning", "resources").len(), 20);
    for name in ["prompts", "patterns", "learning"] {
        assert_eq!(file(&format!("{name}.json")), file(&format!("{name}-backup.json")), "{name}");
    }
    let bytes = std::fs::metadata(root().join("public-data/prompts.json")).unwrap().len();
    assert!((500_000..1 << 20).contains(&bytes), "{bytes}");
}

#[test]
fn every_prompt_is_whole() {
    let patterns: BTreeSet<String> = list("patterns", "patterns").iter().map(|p| text(p, "id").to_owned()).collect();
    let prompts = list("prompts", "prompts");
    for field in ["id", "slug", "title"] {
        all_differ(&prompts, field);
    }
    for prompt in &prompts {
        let slug = text(prompt, "slug");
        assert!(slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{slug}");
        let title = text(prompt, "title").chars().count();
        assert!((14..=76).contains(&title), "{slug}: title {title}");
        let description = text(prompt, "description").chars().count();
        assert!((40..=300).contains(&description), "{slug}: description {description}");
        let content = text(prompt, "content").chars().count();
        assert!((400..=2500).contains(&content), "{slug}: content {content}");
        assert!(ROLES.contains(&text(prompt, "role")), "{slug}: role");
        assert!(CATEGORIES.contains(&text(prompt, "category")), "{slug}: category");
        assert!(patterns.contains(text(prompt, "pattern")), "{slug}: pattern");
        let tags = prompt["tags"].as_array().unwrap();
        assert!((3..=11).contains(&tags.len()), "{slug}: tags");
        placeholders_are_the_parameters(prompt);
    }
}

/// Each `{{name}}` in the content is declared, and each declared one occurs; each says what to fill in.
fn placeholders_are_the_parameters(prompt: &Value) {
    let slug = text(prompt, "slug");
    let used: BTreeSet<&str> =
        text(prompt, "content").split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap()).collect();
    let parameters = prompt["parameters"].as_array().unwrap();
    let declared: BTreeSet<&str> = parameters.iter().map(|parameter| text(parameter, "id")).collect();
    assert_eq!(used, declared, "{slug}");
    for parameter in parameters {
        for field in ["label", "placeholder", "description"] {
            assert!(!text(parameter, field).is_empty(), "{slug}: {field} of {}", parameter["id"]);
        }
        assert!(["text", "textarea", "number", "select"].contains(&text(parameter, "type")), "{slug}");
        assert_eq!(parameter["type"] == "select", parameter["options"].is_array(), "{slug}");
    }
}

#[test]
fn every_role_has_its_share_and_no_two_prompts_are_alike() {
    let prompts = list("prompts", "prompts");
    let mut roles = BTreeMap::<&str, usize>::new();
    let mut categories = BTreeSet::new();
    for prompt in &prompts {
        *roles.entry(text(prompt, "role")).or_default() += 1;
        categories.insert(text(prompt, "category"));
    }
    assert!(ROLES.iter().all(|role| roles[role] >= 6), "{roles:?}");
    assert!(roles.values().all(|count| *count <= roles["engineer"]), "engineers have the most: {roles:?}");
    assert_eq!(categories.len(), CATEGORIES.len());

    let words = |prompt: &Value| -> HashSet<String> {
        let content = text(prompt, "content").to_lowercase();
        content.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let sets: Vec<_> = prompts.iter().map(words).collect();
    for (i, one) in sets.iter().enumerate() {
        for (j, other) in sets.iter().enumerate().skip(i + 1) {
            let shared = one.intersection(other).count() as f64;
            let overlap = shared / (one.len() as f64 + other.len() as f64 - shared);
            assert!(overlap < ALIKE, "{} and {}: {overlap:.2}", prompts[i]["slug"], prompts[j]["slug"]);
        }
    }
}

#[test]
fn patterns_and_resources_are_whole() {
    let patterns = list("patterns", "patterns");
    let ids: BTreeSet<&str> = patterns.iter().map(|pattern| text(pattern, "id")).collect();
    let prompts = list("prompts", "prompts");
    for pattern in &patterns {
        let id = text(pattern, "id");
        for (field, least) in [("description", 35), ("fullDescription", 250), ("howItWorks", 80)] {
            assert!(text(pattern, field).len() >= least, "{id}: {field}");
        }
        for (field, least) in [("useCases", 3), ("bestPractices", 4), ("commonMistakes", 3), ("relatedPatterns", 1)] {
            assert!(pattern[field].as_array().unwrap().len() >= least, "{id}: {field}");
        }
        let related = pattern["relatedPatterns"].as_array().unwrap();
        assert!(related.iter().all(|other| ids.contains(other.as_str().unwrap()) && other != id), "{id}: {related:?}");
        assert!(pattern["example"].is_string() || pattern["example"]["before"].is_string(), "{id}: example");
        let used = prompts.iter().filter(|prompt| prompt["pattern"] == pattern["id"]).count();
        assert_eq!(pattern["promptCount"], used, "{id}: promptCount");
    }
    let resources = list("learning", "resources");
    for field in ["id", "slug", "title"] {
        all_differ(&resources, field);
    }
    for resource in &resources {
        let slug = text(resource, "slug");
        assert!((1_500..=6_000).contains(&text(resource, "content").len()), "{slug}: content");
        for field in ["author", "level", "type", "description"] {
            assert!(!text(resource, field).is_empty(), "{slug}: {field}");
        }
        assert!(!resource["tags"].as_array().unwrap().is_empty(), "{slug}: tags");
    }
}

#[test]
fn totals_are_the_sums_of_their_items() {
    let file = file("prompts.json");
    let prompts = file["prompts"].as_array().unwrap();
    for (field, total) in [("category", "byCategory"), ("role", "byRole"), ("pattern", "byPattern")] {
        let mut counts = BTreeMap::<&str, u64>::new();
        for prompt in prompts {
            *counts.entry(text(prompt, field)).or_default() += 1;
        }
        assert_eq!(file["totals"][total], serde_json::to_value(counts).unwrap(), "{total}");
    }
    let featured = prompts.iter().filter(|prompt| prompt["isFeatured"] == true).count();
    assert_eq!((&file["totals"]["featured"], &file["totalPrompts"]), (&featured.into(), &prompts.len().into()));
}
