//! Who goes on with what: a rule of a group that was written anew has the alerts of the one that it was. Pure.

use std::{mem::discriminant, sync::Arc};

use super::file::Rule;

/// Returns for each new rule the index of the old one whose state is its own: of the same kind, name and labels, each old
/// one once and in their order (rules/group.go, CopyState). Expression, annotations and times may differ.
pub fn heirs(old: &[Arc<Rule>], new: &[Arc<Rule>]) -> Vec<Option<usize>> {
    let mut taken = vec![false; old.len()];
    let mut of = |rule: &Rule| {
        let found = old.iter().zip(&taken).position(|(o, taken)| !taken && is_same(o, rule))?;
        *taken.get_mut(found)? = true;
        Some(found)
    };
    new.iter().map(|rule| of(rule)).collect()
}

fn is_same(old: &Rule, new: &Rule) -> bool {
    discriminant(&old.kind) == discriminant(&new.kind) && old.name == new.name && old.labels == new.labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::file::read;

    #[test]
    fn rules_go_on_with_their_own_state() {
        let check = |old: &str, new: &str, expected: &[Option<usize>]| {
            let rules = |text: &str| {
                let text = format!("groups: [{{name: g, rules: [{text}]}}]");
                read(std::path::Path::new("r.yml"), &text).unwrap().remove(0).rules
            };
            assert_eq!(heirs(&rules(old), &rules(new)), expected, "{old} → {new}");
        };
        check("{alert: A, expr: up}, {alert: B, expr: up}", "{alert: B, expr: up == 0}", &[Some(1)]);
        check("{alert: A, expr: up, for: 1m}", "{alert: A, expr: up, for: 2m}, {alert: C, expr: up}", &[Some(0), None]);
        check("{alert: A, expr: up, labels: {a: b}}", "{alert: A, expr: up}", &[None]);
        check("{record: A, expr: up}", "{alert: A, expr: up}", &[None]);
        check("{alert: A, expr: up}, {alert: A, expr: up > 0}", "{alert: A, expr: up > 0}", &[Some(0)]);
        check("{alert: A, expr: up}", "{alert: A, expr: up}, {alert: A, expr: up > 1}", &[Some(0), None]);
    }
}
