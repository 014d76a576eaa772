//! A published content file, as anybody may have written it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::{
    clock::Moment,
    content::{Access, Filter, Kind, Library, Sort, parse, render},
};

fuzz_target!(|bytes: &[u8]| {
    for kind in Kind::ALL {
        let Ok(items) = parse(kind, bytes) else { continue };
        let rendered = render(kind, &items, Moment::default());
        assert_eq!(parse(kind, &rendered).as_ref(), Ok(&items), "a file is read as it was written");

        let library = Library::new(&items).expect("JSON is a library");
        assert_eq!(library.items().len(), items.len());
        for sort in [Sort::Newest, Sort::Popular] {
            pages(&library, sort);
        }
    }
});

/// Page after page shows every public item once, and nothing of the others.
fn pages(library: &Library, sort: Sort) {
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = library.list(&Filter::default(), sort, 2, cursor.as_ref());
        for item in &page.items {
            assert_eq!(item.access, Access::Public);
            seen.push(item.id.clone());
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let mut public: Vec<_> = library.items().iter().filter(|item| item.access == Access::Public).collect();
    public.sort_by(|a, b| a.id.cmp(&b.id));
    seen.sort();
    assert_eq!(seen, public.iter().map(|item| item.id.clone()).collect::<Vec<_>>());
}
