//! Unions whose variants say in a field which of them they are: each variant gets a name, and the union its
//! discriminator, so that generated types tell them apart.

use serde_json::{Map, Value, json};

pub(super) fn complete(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    let mut named = Map::new();
    for (union, schema) in schemas.iter_mut() {
        let Some(variants) = schema.get_mut("oneOf").and_then(Value::as_array_mut) else { continue };
        let Some(tag) = variants.iter().find_map(|variant| Some(tag(variant)?.0.to_owned())) else { continue };
        let mut mapping = Map::new();
        for variant in variants {
            let Some((_, value)) = self::tag(variant) else { continue };
            let (first, rest) = value.split_at(1);
            let name = format!("{union}{}{rest}", first.to_uppercase());
            let reference = format!("#/components/schemas/{name}");
            mapping.insert(value.to_owned(), reference.clone().into());
            named.insert(name, std::mem::replace(variant, json!({"$ref": reference})));
        }
        schema["discriminator"] = json!({"propertyName": tag, "mapping": mapping});
    }
    schemas.append(&mut named);
    schemas.sort_keys();
}

/// The field of a variant that has one possible value, and that value.
fn tag(variant: &Value) -> Option<(&str, &str)> {
    let parts = variant["allOf"].as_array().map_or(std::slice::from_ref(variant), Vec::as_slice);
    let mut fields = parts.iter().filter_map(|part| part["properties"].as_object()).flatten();
    fields.find_map(|(name, field)| match field["enum"].as_array()?.as_slice() {
        [only] => Some((name.as_str(), only.as_str()?)),
        _ => None,
    })
}
