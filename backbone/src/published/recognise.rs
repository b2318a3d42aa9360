//! Which network the tensors of a file are.

use tch::{Device, nn::VarStore};

use super::{Architecture, Purpose, Setup};
use crate::{
    checkpoint::CLASSIFIER,
    checkpoint::keys::from_published,
    design::Published,
    form::{Form, StateDict},
};

/// The network whose names and shapes these are, and its form: all of its features, and beside them nothing but what its classifier
/// has.
pub(crate) fn recognise(tensors: &StateDict) -> Option<(Published, Form)> {
    Architecture::ALL.into_iter().find_map(|name| {
        let mut stem = tensors.range(name.stem().to_owned()..).take_while(|(key, _)| key.starts_with(name.stem()));
        let in_channels = stem.find_map(|(_, tensor)| tensor.size4().ok()).map(|(_, in_channels, ..)| in_channels)?;
        let published = Published { name, in_channels };
        [Form::Train, Form::Deploy]
            .into_iter()
            .find(|&form| published.is_in(tensors, form))
            .map(|form| (published, form))
    })
}

impl Published {
    fn is_in(self, tensors: &StateDict, form: Form) -> bool {
        let store = VarStore::new(Device::Cpu);
        self.name.build(&store.root(), self.in_channels, Setup { purpose: Purpose::Dense, ..Setup::classifier(form) });
        let own = store.variables();
        let fits =
            own.iter().all(|(key, variable)| tensors.get(key).is_some_and(|found| found.size() == variable.size()));
        let of_classifier = |key: &str| {
            let first = key.split('.').next().unwrap_or_default();
            self.name.tail().contains(&first) || key.starts_with(CLASSIFIER) || from_published(key, self.name).is_some()
        };
        fits && tensors.keys().all(|key| own.contains_key(key) || of_classifier(key))
    }
}
