//! The help page and its pictures belong together.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// All pictures together, in bytes: they are part of every bundle.
const MOST: u64 = 500_000;

/// The values of an attribute, in the page's order.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let mark = format!(" {attribute}=\"");
    page.match_indices(&mark)
        .map(|(at, _)| page[at + mark.len()..].split('"').next().unwrap())
        .collect()
}

#[test]
fn every_picture_is_there_has_a_caption_and_none_is_left_over() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("resources/help");
    let page = fs::read_to_string(folder.join("index.html")).unwrap();
    let named = values(&page, "src");
    let there: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "index.html")
        .collect();
    let shown: BTreeSet<String> = named.iter().map(|name| (*name).to_owned()).collect();
    assert!(named.len() >= 10, "the page shows its controls: {named:?}");
    assert_eq!(shown, there, "the page's pictures, and those in its folder");
    assert_eq!(shown.len(), named.len(), "each is shown once");

    assert_eq!(page.matches("<figcaption>").count(), named.len());
    let words = values(&page, "alt");
    assert_eq!(words.len(), named.len(), "each is told in words");
    assert!(words.iter().all(|words| words.len() > 10), "{words:?}");

    let mut bytes = 0;
    for name in &shown {
        let content = fs::read(folder.join(name)).unwrap();
        assert_eq!(content[..3], [0xff, 0xd8, 0xff], "{name} is a JPEG");
        bytes += content.len() as u64;
    }
    assert!(bytes <= MOST, "{bytes} bytes of pictures");
    let script = folder.with_file_name("help.py");
    let script = fs::read_to_string(script).unwrap();
    for name in &shown {
        let stem = name.strip_suffix(".jpg").unwrap();
        assert!(
            script.contains(&format!("Strip(\"{stem}\"")),
            "resources/help.py makes {name}"
        );
    }
}
