//! The tree as it is.

use deploy_check::{check, difference, render};

use crate::programs::{Documents, root};

#[test]
fn nothing_is_to_be_objected_to() {
    let checked = check(&root(), &Documents).unwrap();
    let findings: Vec<String> = checked.findings.iter().map(ToString::to_string).collect();
    assert_eq!(findings, Vec::<String>::new());
    // Nothing was passed by.
    assert!(checked.overlays.len() >= 8 && checked.objects > 50, "{checked:?}");
    assert!(checked.workflows == 3 && checked.metrics > 30, "{checked:?}");
}

/// Kustomize is the judge of what a kustomization means. Where there is none, the other tests say what ours makes of it.
#[test]
fn ours_is_rendered_as_kustomize_renders_it() {
    let overlays = check(&root(), &Documents).unwrap().overlays;
    for overlay in overlays {
        let rendered = render(&root(), &overlay).unwrap();
        let Ok(output) =
            std::process::Command::new("kubectl").args(["kustomize", &overlay]).current_dir(root()).output()
        else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{overlay}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(difference(&rendered, &text).unwrap(), Vec::<String>::new(), "{overlay}");
    }
}
