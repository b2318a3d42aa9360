//! Copying tensors into the variables of a network. All names and shapes are compared before anything is changed.

use std::collections::BTreeMap;

use tch::{Kind, Tensor, nn::VarStore};

use super::{
    keys,
    report::{LoadReport, Mismatch},
};
use crate::{error::Error, form::StateDict};

/// How much must fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Every variable is in the file and the other way round, with equal shapes: evaluation, resuming.
    Exact,
    /// The backbone's variables are all in the file, with equal shapes; other tensors are loaded where they fit and reported where
    /// they do not, for example a classifier with another number of classes: starting from pretrained weights.
    Transfer,
}

impl Policy {
    fn accepts(self, report: &LoadReport) -> bool {
        let outside = |name: &String| !keys::is_backbone(name);
        match self {
            Self::Exact => report.is_exact(),
            Self::Transfer => {
                report.missing.iter().all(|(name, _)| outside(name))
                    && report.unexpected.iter().all(|(name, _)| outside(name))
                    && report.mismatched.iter().all(|mismatch| outside(&mismatch.name))
            }
        }
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
/// (`num_batches_tracked`) are ignored.
///
/// # Errors
/// [`Error::OtherForm`] for train-form tensors and a deploy-form network or the other way round; [`Error::Incompatible`] where names
/// and shapes do not fit as `policy` requires; [`Error::Kind`] for a tensor of integers. Nothing is changed then.
pub fn load_into(variables: &[(String, Tensor)], tensors: &StateDict, policy: Policy) -> Result<LoadReport, Error> {
    let expected = keys::form(variables.iter().map(|(name, _)| name));
    let found = keys::form(tensors.keys());
    if let (Some(expected), Some(found)) = (expected, found)
        && expected != found
    {
        return Err(Error::OtherForm { expected, found });
    }
    let (pairs, report) = pair(variables, tensors);
    if !policy.accepts(&report) {
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
