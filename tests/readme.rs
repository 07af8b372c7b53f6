//! The README tells the program as it is.

#![allow(clippy::unwrap_used, clippy::expect_used)]

/// The parameter table between its two marks is the one that the program's own table gives.
/// `UPDATE_README=1 cargo test --test readme` writes it.
#[test]
fn parameters_stand_in_the_readme() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let open = "<!-- parameters: generated from src/plugin/parameters -->\n";
    let close = "<!-- /parameters -->";
    let start = readme.find(open).expect("the README has the opening mark") + open.len();
    let end = readme.find(close).expect("the README has the closing mark");
    let table = corridorkey::plugin::document::markdown();
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(
            path,
            format!("{}{table}{}", &readme[..start], &readme[end..]),
        )
        .unwrap();
        return;
    }
    assert_eq!(
        &readme[start..end],
        table,
        "run `UPDATE_README=1 cargo test --test readme`"
    );
}
