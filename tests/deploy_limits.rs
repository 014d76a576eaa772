//! What `CloudFormation` allows, and neither a linter nor the emulator checks.

use tests::root;

/// Its limit of references to secrets (`{{resolve:…}}`) in a template.
const REFERENCES: usize = 60;

#[test]
fn the_template_refers_to_secrets_no_more_often_than_cloudformation_resolves() {
    let template = std::fs::read_to_string(root().join("infra/template.yaml")).unwrap();
    let references = template.matches("{{resolve:").count();
    assert!((1..=REFERENCES).contains(&references), "{references} references");
}
