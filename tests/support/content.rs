//! Content files for tests: the shape and size of the library's, with the odd values that real files hold.

use serde_json::{Value, json};

use crate::root;

/// 296 items, some 800 KB, as the application before this one had them.
pub fn audit_sized_prompts() -> Value {
    let items: Vec<Value> = (0..296).map(prompt).collect();
    json!({"version": "1.0", "generatedAt": "2026-01-01T00:00:00.000Z", "totalPrompts": items.len(), "prompts": items, "totals": {"odd": true}})
}

fn prompt(n: usize) -> Value {
    let id = match n % 3 {
        0 => format!("00000000-0000-4000-8000-{n:012}"),
        1 => format!("eng-{n:03}"),
        _ => format!("slug-like-id-{n}"),
    };
    let mut item = json!({
        "id": id, "slug": format!("prompt-{n}"), "title": format!("Prompt {n} <b>&amp;</b> \"quoted\""), "description": "",
        "content": format!("Number {n}: use Vec<String> & {{{{name}}}}. {}", "Ünïcode text. ".repeat(180)),
        "category": if n.is_multiple_of(7) { "a category nobody declared" } else { "general" },
        "role": if n.is_multiple_of(5) { Value::Null } else { json!("engineer") },
        "tags": ["a", "b & c"], "isPublic": true, "isFeatured": n.is_multiple_of(6), "active": true, "views": n % 87, "favorites": 0, "shares": 0,
        "rating": 0, "ratingCount": 0, "createdAt": "2025-10-28T01:02:03.456Z", "updatedAt": "2025-11-06",
        "example": {"before": "x", "after": "y", "$date": 1}, "difficulty": 2.5, "whole": 1.0,
        "unknownField": {"nested": [1, null, {"deep": "value"}]},
    });
    match n % 4 {
        0 => item["pattern"] = json!("Chain & \"Tree\" of (Thought) / mixed"),
        1 => item["pattern"] = Value::Null,
        2 => item["pattern"] = json!("persona"),
        _ => {}
    }
    if n % 4 == 3 {
        item["example"] = json!("an example as text");
    }
    item
}

pub fn items(file: &Value) -> &Vec<Value> {
    file["prompts"].as_array().unwrap()
}

/// Where the starter content lies, as `CONTENT_URL` names it.
pub fn starter_url() -> String {
    format!("file://{}", root().join("public-data").canonicalize().unwrap().display())
}

/// The path of a prompt of the starter content with this flag.
pub fn path_of_starter(flag: &str) -> String {
    let found = starter_prompts().into_iter().find(|prompt| prompt[flag] == true).unwrap();
    format!("/api/prompts/{}", found["id"].as_str().unwrap())
}

/// The prompts of the starter content.
pub fn starter_prompts() -> Vec<Value> {
    let text = std::fs::read(root().join("public-data/prompts.json")).unwrap();
    items(&serde_json::from_slice(&text).unwrap()).clone()
}

/// The id of a prompt of the starter content.
pub fn starter_prompt() -> String {
    starter_prompts()[0]["id"].as_str().unwrap().to_owned()
}
