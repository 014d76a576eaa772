//! What a document fills: its bytes, and those of its entries in the indexes of its collection.
//!
//! Measured against the server's own figures (`dataSize`, `indexSize` of `dbStats`), by which M0 counts its 512 MB. An
//! index that the server compresses may take less.

use bson::{Bson, Document, doc};

use super::{COLLECTIONS, Index, Rule};

/// What an entry takes besides its values: the reference to the document.
const ENTRY_BYTES: u64 = 8;
/// Of a document that holds one value under a name of one letter: what is not the value.
const AROUND_VALUE: u64 = 8;

/// Bytes that this document of `collection` fills.
pub fn weight(collection: &str, document: &Document) -> u64 {
    let value = |field: &str| document.get(field).map_or(0, |value| bytes(&doc! {"v": value}) - AROUND_VALUE);
    let entry = |index: &Index| {
        if index.rule == Rule::LookupIfPresent && !document.contains_key(index.keys[0].0) {
            return 0;
        }
        ENTRY_BYTES + index.keys.iter().map(|(field, _)| value(field)).sum::<u64>()
    };
    bytes(document) + ENTRY_BYTES + value("_id") + indexes(collection).iter().map(entry).sum::<u64>()
}

/// [`weight`] as an expression, for the documents of an aggregation.
pub fn weight_expression(collection: &str) -> Bson {
    let value = |field: &str| {
        let around = i64::try_from(AROUND_VALUE).unwrap_or_default();
        let size = doc! {"$subtract": [{"$bsonSize": {"v": format!("${field}")}}, around]};
        Bson::from(doc! {"$max": [0_i64, size]})
    };
    let entry = Bson::from(i64::try_from(ENTRY_BYTES).unwrap_or_default());
    let always = indexes(collection).iter().filter(|index| index.rule != Rule::LookupIfPresent);
    let entries =
        always.flat_map(|index| std::iter::once(entry.clone()).chain(index.keys.iter().map(|(field, _)| value(field))));
    let parts = [doc! {"$bsonSize": "$$ROOT"}.into(), entry.clone(), value("_id")].into_iter().chain(entries);
    doc! {"$add": parts.collect::<Vec<_>>()}.into()
}

fn indexes(collection: &str) -> &'static [Index] {
    COLLECTIONS.iter().find(|declared| declared.name == collection).map_or(&[], |declared| declared.indexes)
}

/// What cannot be written is not stored either.
fn bytes(document: &Document) -> u64 {
    document.to_vec().map_or(0, |bytes| bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_document_weighs_its_bytes_and_its_entries() {
        let click = doc! {"_id": "x".repeat(36), "linkId": "l".repeat(36), "occurredAt": clock::now()};
        let (id, link, date) = (4 + 36 + 1, 4 + 36 + 1, 8);
        let entries = (8 + id) + (8 + link + date) + (8 + date);
        assert_eq!(weight("affiliate_clicks", &click), bytes(&click) + entries);
        assert_eq!(weight("guards", &doc! {"_id": 1}), 14 + 8 + 4, "an index by _id alone");
    }

    #[test]
    fn what_a_document_lacks_takes_no_value_and_in_a_sparse_index_no_entry() {
        let run = doc! {"_id": 1};
        let id = 4;
        assert_eq!(weight("workbench_runs", &run), 14 + (8 + id) + 5 * 8 + id, "one index has the id too");
    }
}
