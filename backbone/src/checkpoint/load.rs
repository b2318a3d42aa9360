//! Copying tensors into the variables of a network. Everything is compared before anything is changed.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
};

use tch::{Kind, Tensor, nn::VarStore};

use super::keys;
use crate::{error::Error, form::StateDict};

/// How much has to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Every variable is in the file and the other way round, with equal shapes: evaluation, resuming.
    Exact,
    /// The backbone's variables are all in the file, with equal shapes. What else fits is loaded, and a classifier for another
    /// number of classes, a head that one side lacks and the like are reported: starting from pretrained weights.
    Transfer,
}

/// What became of the tensors of a checkpoint, each list in the order of the names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadReport {
    /// Variables that took a tensor.
    pub loaded: Vec<String>,
    /// Variables that the checkpoint does not have, and their shapes.
    pub missing: Vec<(String, Vec<i64>)>,
    /// Tensors that the network does not have, and their shapes.
    pub unexpected: Vec<(String, Vec<i64>)>,
    /// Variables whose tensor has another shape.
    pub mismatched: Vec<Mismatch>,
}

/// One name, two shapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The name.
    pub name: String,
    /// The network's shape.
    pub expected: Vec<i64>,
    /// The checkpoint's shape.
    pub found: Vec<i64>,
}

impl LoadReport {
    /// Whether every variable and every tensor found its counterpart.
    pub fn is_exact(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.mismatched.is_empty()
    }

    fn fits(&self, policy: Policy) -> bool {
        let outside = |name: &String| !keys::is_backbone(name);
        match policy {
            Policy::Exact => self.is_exact(),
            Policy::Transfer => {
                self.missing.iter().all(|(name, _)| outside(name))
                    && self.unexpected.iter().all(|(name, _)| outside(name))
                    && self.mismatched.iter().all(|mismatch| outside(&mismatch.name))
            }
        }
    }
}

impl Display for LoadReport {
    /// What did not fit, by name and shape; of each kind at most eight.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |(name, shape): &(String, Vec<i64>)| format!("{name} {shape:?}");
        let differing =
            |Mismatch { name, expected, found }: &Mismatch| format!("{name} {found:?} instead of {expected:?}");
        let parts = [
            ("missing", self.missing.iter().map(named).collect::<Vec<_>>()),
            ("unexpected", self.unexpected.iter().map(named).collect()),
            ("of another shape", self.mismatched.iter().map(differing).collect()),
        ];
        let mut separator = "";
        for (what, names) in parts.iter().filter(|(_, names)| !names.is_empty()) {
            write!(f, "{separator}{} {what} ({}", names.len(), names[..names.len().min(8)].join(", "))?;
            f.write_str(if names.len() > 8 { ", ...)" } else { ")" })?;
            separator = "; ";
        }
        if separator.is_empty() { f.write_str("everything fits") } else { Ok(()) }
    }
}

/// The variables below `prefix` (`""` for all, `"backbone."`), named without it, in order.
pub fn variables(store: &VarStore, prefix: &str) -> Vec<(String, Tensor)> {
    let mut variables: Vec<(String, Tensor)> = store
        .variables()
        .into_iter()
        .filter_map(|(name, variable)| Some((name.strip_prefix(prefix)?.to_owned(), variable)))
        .collect();
    variables.sort_by(|(a, _), (b, _)| a.cmp(b));
    variables
}

/// Copies `tensors` into the variables of the same names, converting to their kind and device. Counts of batches
/// (`num_batches_tracked`) are passed over.
///
/// # Errors
/// Train-form tensors for a deploy-form network or the other way round; names and shapes that do not fit as `policy` asks; a
/// tensor that is not of floating point. Nothing is changed then.
pub fn load_into(variables: &[(String, Tensor)], tensors: &StateDict, policy: Policy) -> Result<LoadReport, Error> {
    let expected = keys::form(variables.iter().map(|(name, _)| name));
    let found = keys::form(tensors.keys());
    if let (Some(expected), Some(found)) = (expected, found)
        && expected != found
    {
        return Err(Error::OtherForm { expected, found });
    }
    let (pairs, report) = pair(variables, tensors);
    if !report.fits(policy) {
        return Err(Error::Incompatible(Box::new(report)));
    }
    if let Some((name, _, tensor)) =
        pairs.iter().find(|(_, variable, tensor)| !convertible(tensor.kind(), variable.kind()))
    {
        return Err(Error::Kind { name: (*name).clone(), kind: tensor.kind() });
    }
    for (name, variable, tensor) in pairs {
        let copied = tch::no_grad(|| variable.shallow_clone().f_copy_(tensor));
        copied.map_err(|cause| Error::torch(format!("copying `{name}` into the network"), &cause))?;
    }
    Ok(report)
}

type Pair<'a> = (&'a String, &'a Tensor, &'a Tensor);

fn pair<'a>(variables: &'a [(String, Tensor)], tensors: &'a StateDict) -> (Vec<Pair<'a>>, LoadReport) {
    let mut report = LoadReport::default();
    let mut pairs = Vec::new();
    let mut left: BTreeMap<&String, &Tensor> = tensors.iter().filter(|(name, _)| !keys::is_count(name)).collect();
    for (name, variable) in variables {
        match left.remove(name) {
            None => report.missing.push((name.clone(), variable.size())),
            Some(tensor) if tensor.size() == variable.size() => {
                report.loaded.push(name.clone());
                pairs.push((name, variable, tensor));
            }
            Some(tensor) => {
                report.mismatched.push(Mismatch {
                    name: name.clone(),
                    expected: variable.size(),
                    found: tensor.size(),
                });
            }
        }
    }
    report.unexpected = left.into_iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect();
    (pairs, report)
}

fn convertible(from: Kind, to: Kind) -> bool {
    let floating = |kind| matches!(kind, Kind::Half | Kind::BFloat16 | Kind::Float | Kind::Double);
    from == to || floating(from) && floating(to)
}
