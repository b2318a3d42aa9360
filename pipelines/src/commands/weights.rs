//! `pipeline weights`: published weights, and those in the cache.

use front::cli::{FetchArgs, ListArgs, WeightsCommand};
use published_weights::{Freshness, Name, PUBLISHED, Settings, cached};
use serde::Serialize;
use std::path::PathBuf;

use crate::console::{self, Table};
use crate::failure::Failure;
use crate::files;
use crate::model::published;
use crate::report::{self, Tables};

pub(super) fn run(command: &WeightsCommand) -> Result<(), Failure> {
    match command {
        WeightsCommand::List(args) => list(args),
        WeightsCommand::Fetch(args) => fetch(args),
    }
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let settings = Settings::from_environment()?;
    let weights = PUBLISHED.iter().map(|published| {
        let path = cached(&settings, &Name::parse(published.name)?).map(|found| found.path);
        Ok(Listed {
            name: published.name,
            variant: published.variant,
            form: published.form.to_string(),
            parameters: published.parameters,
            bytes: path.as_deref().map(files::size).transpose()?,
            path,
        })
    });
    Ok(report::print(&List { weights: weights.collect::<Result<_, Failure>>()? }, args.json)?)
}

fn fetch(args: &FetchArgs) -> Result<(), Failure> {
    let freshness = if args.update { Freshness::Newest } else { Freshness::Cached };
    for text in &args.names {
        let path =
            published::fetch(&Name::parse(text).map_err(|error| published::meant(text, error.into()))?, freshness)?;
        console::data(&format!("{}\n", path.display()))?;
    }
    Ok(())
}

/// What is printed.
#[derive(Serialize)]
struct List {
    weights: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    name: &'static str,
    variant: &'static str,
    form: String,
    parameters: u64,
    /// Of the file in the cache.
    bytes: Option<u64>,
    /// The file in the cache.
    path: Option<PathBuf>,
}

impl Tables for List {
    fn tables(&self) -> Vec<Table> {
        let mut table = Table::new("", &["name", "variant", "form", "M params", "MB in the cache"]);
        table.rows.extend(self.weights.iter().map(|weights| {
            vec![
                weights.name.to_owned(),
                weights.variant.to_owned(),
                weights.form.clone(),
                format!("{:.2}", weights.parameters as f64 / 1e6),
                weights.bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.1}", bytes as f64 / 1e6)),
            ]
        }));
        vec![table]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backbone::{Cost, OutputStride, Spec, Variant};
    use published_weights::Form;

    #[test]
    fn the_list_counts_the_parameters_of_each_network() {
        for published in PUBLISHED {
            let variant: Variant = published.variant.parse().unwrap();
            let form = match published.form {
                Form::Train => backbone::Form::Train,
                Form::Deploy => backbone::Form::Deploy,
            };
            let features = Cost::of(&Spec::from(variant), form, [224, 224], OutputStride::Os32);
            let counted = features.with_classifier(1000).total().parameters;
            assert_eq!(u64::try_from(counted), Ok(published.parameters), "{}", published.name);
        }
    }
}
