//! Two classifiers on the same pictures.

use datasets::classification::ClassificationSet;
use eval::BootstrapOptions;
use eval::classification::{ClassificationComparison, best};

use super::Classify;
use crate::failure::Failure;
use crate::task::evaluate::{Agreement, ResultOf};
use crate::task::{Paired, Pairing};

/// Compares two classifiers in top-1 accuracy.
pub struct ClassifyPairing {
    comparison: ClassificationComparison,
    agreement: Agreement,
}

impl ClassifyPairing {
    pub(super) fn new(set: &ClassificationSet) -> Result<Self, Failure> {
        let names = set.classes.iter().map(|class| class.name.clone());
        let comparison = ClassificationComparison::new(names, BootstrapOptions::default())?;
        Ok(Self { comparison, agreement: Agreement::default() })
    }
}

impl Pairing<Classify> for ClassifyPairing {
    const AGREEMENT: &'static str = "images with the same best class";

    fn add(&mut self, a: ResultOf<Classify>, b: ResultOf<Classify>) -> Result<(), Failure> {
        let ((name, a, class), (_, b, _)) = (a, b);
        self.comparison.add(&name, &a, &b, class)?;
        self.agreement.add(usize::from(best(&a) == best(&b)), 1);
        Ok(())
    }

    fn finish(self) -> Result<Paired, Failure> {
        Ok(Paired { comparison: self.comparison.finish()?, agreement: self.agreement.share() })
    }
}
