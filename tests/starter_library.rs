//! The starter library is worth serving: complete, consistent, and no two prompts alike.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value;
use shared::{
    content::{Kind, parse, render},
    prompts::Parameter,
};
use tests::root;

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
/// Each with its category and level.
const PATTERNS: [(&str, &str, &str); 18] = [
    ("chain-of-thought", "COGNITIVE", "intermediate"),
    ("cognitive-verifier", "COGNITIVE", "intermediate"),
    ("hypothesis-testing", "COGNITIVE", "advanced"),
    ("rag", "COGNITIVE", "advanced"),
    ("reverse-engineering", "COGNITIVE", "advanced"),
    ("audience-persona", "FOUNDATIONAL", "beginner"),
    ("few-shot", "FOUNDATIONAL", "beginner"),
    ("persona", "FOUNDATIONAL", "beginner"),
    ("zero-shot", "FOUNDATIONAL", "beginner"),
    ("critique-improve", "ITERATIVE", "intermediate"),
    ("flipped-interaction", "ITERATIVE", "intermediate"),
    ("question-refinement", "ITERATIVE", "intermediate"),
    ("self-reflection", "ITERATIVE", "advanced"),
    ("kernel", "STRUCTURAL", "advanced"),
    ("recipe", "STRUCTURAL", "intermediate"),
    ("structured-output", "STRUCTURAL", "intermediate"),
    ("template", "STRUCTURAL", "beginner"),
    ("visual-separators", "STRUCTURAL", "intermediate"),
];
const LEVELS: [&str; 3] = ["beginner", "intermediate", "advanced"];
const RESOURCE_TYPES: [&str; 6] = ["article", "video", "course", "tutorial", "guide", "interactive"];
const STATUSES: [&str; 2] = ["active", "inactive"];
/// Where links may lead: documents that keep their address, and a name that is reserved for examples.
const HOSTS: [&str; 3] = ["json-schema.org", "owasp.org", "example-mirror.test"];
/// Prompts whose sets of words overlap by more (Jaccard) are one prompt written twice.
const ALIKE: f64 = 0.6;
/// With more tags than this, a filter by tag would find one prompt each.
const MOST_TAGS: usize = 350;

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(root().join("public-data").join(name)).unwrap()
}

fn list(kind: Kind) -> Vec<Value> {
    let items = parse(kind, &bytes(kind.file_name())).unwrap();
    items.into_iter().map(Value::Object).collect()
}

fn text<'a>(item: &'a Value, field: &str) -> &'a str {
    item[field].as_str().unwrap_or_else(|| panic!("{field} of {}", item["id"]))
}

fn texts<'a>(item: &'a Value, field: &str) -> Vec<&'a str> {
    let list = item[field].as_array().unwrap_or_else(|| panic!("{field} of {}", item["id"]));
    list.iter().map(|entry| entry.as_str().unwrap()).collect()
}

fn all_differ(items: &[Value], field: &str) {
    let mut seen = HashSet::new();
    for item in items {
        assert!(seen.insert(text(item, field).to_lowercase()), "{field} twice: {}", text(item, field));
    }
}

#[test]
fn the_numbers_are_those_of_the_audit_and_every_backup_is_its_primary() {
    assert_eq!(Kind::ALL.map(|kind| list(kind).len()), [296, 18, 20]);
    for kind in Kind::ALL {
        let same = bytes(kind.file_name()) == bytes(&format!("{}-backup.json", kind.name()));
        assert!(same, "{kind:?}");
    }
    let size = bytes("prompts.json").len();
    assert!((500_000..1 << 20).contains(&size), "{size}");
}

#[test]
fn every_file_is_what_an_export_would_write_of_its_items_with_all_totals() {
    for kind in Kind::ALL {
        let bytes = bytes(kind.file_name());
        let file: Value = serde_json::from_slice(&bytes).unwrap();
        let generated_at = text(&file, "generatedAt").parse().unwrap();
        let export = render(kind, &parse(kind, &bytes).unwrap(), generated_at);
        let exported: Value = serde_json::from_slice(&export).unwrap();
        assert_eq!(exported["totals"], file["totals"], "{kind:?}");
        assert!(export == bytes, "{kind:?}: fields, order or layout differ");
    }
}

#[test]
fn every_prompt_is_whole() {
    let prompts = list(Kind::Prompts);
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
        assert!(PATTERNS.iter().any(|(id, ..)| prompt["pattern"] == *id), "{slug}: pattern");
        let tags = texts(prompt, "tags");
        assert!((3..=6).contains(&tags.len()), "{slug}: tags");
        assert_eq!(tags.iter().collect::<BTreeSet<_>>().len(), tags.len(), "{slug}: a tag twice");
        placeholders_are_the_parameters(prompt);
        prompt["parameters"].as_array().unwrap().iter().for_each(|parameter| parameter_is_whole(slug, parameter));
    }
}

/// Each `{{name}}` in the content is declared once, and each declared one occurs.
fn placeholders_are_the_parameters(prompt: &Value) {
    let slug = text(prompt, "slug");
    let used: BTreeSet<&str> =
        text(prompt, "content").split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap()).collect();
    let parameters = prompt["parameters"].as_array().unwrap();
    let declared: BTreeSet<&str> = parameters.iter().map(|parameter| text(parameter, "id")).collect();
    assert_eq!(used, declared, "{slug}");
    assert_eq!(parameters.len(), declared.len(), "{slug}: a parameter twice");
}

/// The API would take it, and it says what to fill in.
fn parameter_is_whole(slug: &str, parameter: &Value) {
    let id = text(parameter, "id");
    let accepted = serde_json::from_value::<Parameter>(parameter.clone());
    accepted.unwrap_or_else(|error| panic!("{slug}: {id}: {error}"));
    assert!(parameter["required"].is_boolean(), "{slug}: {id}: required");
    for field in ["label", "placeholder", "description"] {
        assert!(!text(parameter, field).is_empty(), "{slug}: {id}: {field}");
    }
    if parameter["type"] == "select" {
        assert!(texts(parameter, "options").contains(&text(parameter, "placeholder")), "{slug}: {id}: options");
    } else {
        assert!(parameter["options"].is_null(), "{slug}: {id}: options");
    }
}

#[test]
fn every_role_has_its_share_and_every_category_its_prompts() {
    let prompts = list(Kind::Prompts);
    let mut roles = BTreeMap::<&str, usize>::new();
    let mut categories = BTreeSet::new();
    for prompt in &prompts {
        *roles.entry(text(prompt, "role")).or_default() += 1;
        categories.insert(text(prompt, "category"));
    }
    assert!(ROLES.iter().all(|role| roles[role] >= 6), "{roles:?}");
    assert!(roles.values().all(|count| *count <= roles["engineer"]), "engineers have the most: {roles:?}");
    assert_eq!(categories.len(), CATEGORIES.len());
}

#[test]
fn no_two_prompts_are_alike() {
    let prompts = list(Kind::Prompts);
    let prints: Vec<_> = prompts.iter().map(Print::of).collect();
    for (i, one) in prints.iter().enumerate() {
        for other in &prints[i + 1..] {
            assert!(!one.repeats(other), "{} would be refused as a duplicate of {}", one.slug, other.slug);
            let overlap = overlap(&one.content, &other.content);
            assert!(overlap < ALIKE, "{} and {}: {overlap:.2}", one.slug, other.slug);
        }
    }
}

/// What is compared of a prompt.
struct Print<'a> {
    slug: &'a str,
    title: HashSet<String>,
    content: HashSet<String>,
    opening: String,
    kin: [&'a str; 3],
}

impl<'a> Print<'a> {
    fn of(prompt: &'a Value) -> Self {
        let content = text(prompt, "content");
        Self {
            slug: text(prompt, "slug"),
            title: words(text(prompt, "title")),
            content: words(content),
            opening: normal(&content.chars().take(200).collect::<String>()),
            kin: ["category", "role", "pattern"].map(|field| text(prompt, field)),
        }
    }

    /// The API's rule for a prompt that is there already, which is private to `shared::prompts`.
    fn repeats(&self, other: &Self) -> bool {
        let shared = overlap(&self.title, &other.title);
        let same_opening = self.opening == other.opening && self.opening.chars().count() > 50;
        shared >= 0.8 || same_opening || (self.kin == other.kin && shared >= 0.5)
    }
}

/// Lower case, without punctuation, with single spaces.
fn normal(text: &str) -> String {
    let kept: String = text.to_lowercase().chars().filter(|c| c.is_alphanumeric() || c.is_whitespace()).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn words(text: &str) -> HashSet<String> {
    normal(text).split(' ').map(str::to_owned).collect()
}

fn overlap(one: &HashSet<String>, other: &HashSet<String>) -> f64 {
    let shared = one.intersection(other).count() as f64;
    shared / (one.len() as f64 + other.len() as f64 - shared)
}

#[test]
fn every_tag_has_one_spelling_and_there_are_few() {
    let items = [list(Kind::Prompts), list(Kind::Learning)].concat();
    let mut spellings = BTreeMap::<String, &str>::new();
    for tag in items.iter().flat_map(|item| texts(item, "tags")) {
        let british = tag.replace('z', "s");
        let singular = british.strip_suffix('s').unwrap_or(&british);
        assert_eq!(*spellings.entry(singular.to_owned()).or_insert(tag), tag);
    }
    assert!(spellings.len() < MOST_TAGS, "{}", spellings.len());
}

#[test]
fn the_patterns_are_those_of_the_audit_and_whole() {
    let patterns = list(Kind::Patterns);
    let rows = patterns.iter().map(|pattern| ["id", "category", "level"].map(|field| text(pattern, field)));
    assert_eq!(rows.collect::<BTreeSet<_>>(), PATTERNS.map(|(id, category, level)| [id, category, level]).into());
    all_differ(&patterns, "name");
    let prompts = list(Kind::Prompts);
    for pattern in &patterns {
        let id = text(pattern, "id");
        for (field, least) in [("description", 35), ("fullDescription", 250), ("howItWorks", 80)] {
            assert!(text(pattern, field).len() >= least, "{id}: {field}");
        }
        for (field, least) in [("useCases", 3), ("bestPractices", 4), ("commonMistakes", 3), ("relatedPatterns", 1)] {
            assert!(texts(pattern, field).len() >= least, "{id}: {field}");
        }
        for related in texts(pattern, "relatedPatterns") {
            assert!(related != id && PATTERNS.iter().any(|(known, ..)| *known == related), "{id}: {related}");
        }
        assert_eq!(pattern["example"].as_object().map(serde_json::Map::len), Some(3), "{id}: example");
        for field in ["before", "after", "explanation"] {
            assert!(!text(&pattern["example"], field).is_empty(), "{id}: example, {field}");
        }
        let used = prompts.iter().filter(|prompt| prompt["pattern"] == pattern["id"]).count();
        assert_eq!(pattern["promptCount"], used, "{id}: promptCount");
    }
}

#[test]
fn the_learning_resources_are_whole() {
    let resources = list(Kind::Learning);
    for field in ["id", "slug", "title"] {
        all_differ(&resources, field);
    }
    for resource in &resources {
        let slug = text(resource, "slug");
        assert!((1_500..=6_000).contains(&text(resource, "content").len()), "{slug}: content");
        for field in ["author", "description"] {
            assert!(!text(resource, field).is_empty(), "{slug}: {field}");
        }
        assert!(LEVELS.contains(&text(resource, "level")), "{slug}: level");
        assert!(RESOURCE_TYPES.contains(&text(resource, "type")), "{slug}: type");
        assert!(STATUSES.contains(&text(resource, "status")), "{slug}: status");
        assert_eq!(resource["seo"]["slug"], slug, "{slug}: seo");
        assert!(!texts(resource, "tags").is_empty(), "{slug}: tags");
    }
}

#[test]
fn links_lead_only_to_known_hosts() {
    for kind in Kind::ALL {
        let text = String::from_utf8(bytes(kind.file_name())).unwrap();
        for link in text.split("://").skip(1) {
            let host = link.split(|c: char| !(c.is_ascii_alphanumeric() || ".-".contains(c))).next().unwrap();
            assert!(HOSTS.contains(&host), "{kind:?}: {host}");
        }
    }
}
