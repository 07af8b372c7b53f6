//! Models for tests, beside the shipped one in a copy of the bundle.

#[path = "../support/models.rs"]
mod folders;
#[path = "../support/onnx.rs"]
mod graphs;

use std::path::Path;

/// Writes the models:
/// `pass` gives the hint as alpha and the plate as foreground; `inputs` has other inputs than a
/// keyer's; `nan` answers with what is not a number; `slow` is `pass` after a long computation;
/// `both` is `pass` for green and blue screens; `refined` gives the hint times the refiner's strength.
pub fn install_models(root: &Path) {
    folders::model(root, "pass", &graphs::transparent());
    folders::model(root, "inputs", &graphs::doubling());
    folders::model(root, "nan", &graphs::not_a_number());
    folders::model(root, "slow", &graphs::slow(40));
    for (id, extra, graph) in [
        (
            "both",
            r#"screens = ["green", "blue"]"#,
            graphs::transparent(),
        ),
        ("refined", r#"refiner = "refiner_scale""#, graphs::refined()),
    ] {
        let manifest = folders::manifest(id, "1", &graph, extra);
        folders::write(root, id, &manifest, &graph);
    }
}
