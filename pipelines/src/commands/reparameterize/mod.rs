//! `pipeline reparameterize`: train form to deploy form, compared before it is written.

mod comparison;

use backbone::checkpoint::{CLASSIFIER, Checkpoint, Metadata};
use backbone::{Backbone, Complexity, Contribution, Cost, Form, Mode, Purpose, Setup, StateDict};
use datasets::{Image, PixelOptions, Size};
use front::cli::ReparameterizeArgs;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tch::{Device, Tensor};

use crate::config::Config;
use crate::console::{self, Table};
use crate::failure::Failure;
use crate::files;
use crate::model::{LayoutName, Network, Normalizer, bare_metadata, known_classes, write_weights};
use crate::report::{self, Tables};
use crate::run::Subject;
use crate::task::{Evaluate, for_task};
use comparison::{Comparison, compare, differences};

pub(super) fn run(args: &ReparameterizeArgs) -> Result<(), Failure> {
    let folded = match Subject::open_weights(&args.subject, args.key.name(), &[])? {
        Subject::Trained { path, weights, config } => {
            for_task!(config.task()?, T => trained::<T>(args, &path, weights, &config.config()?))?
        }
        Subject::Bare { path, weights } => bare(args, &path, weights)?,
        Subject::Config(config) => {
            return Err(Failure::usage(format!("{} has no weights", config.path().display())));
        }
    };
    let within = |found: &&Comparison| found.relative <= args.tolerance;
    // A NaN is within no tolerance.
    if let Some(beyond) = folded.comparisons.iter().find(|found| !within(found)) {
        console::data(&differences(&folded.comparisons).render())?;
        return Err(Failure::failed(format!(
            "train and deploy form differ by {:.1e} relative in {}, more than the tolerance of {:.1e}; nothing is written",
            beyond.relative, beyond.output, args.tolerance
        ))
        .hint("Running statistics that are not finite or extreme cause this; --tolerance SHARE sets another limit."));
    }
    write_weights(&args.output, &folded.tensors, &folded.metadata, args.layout)?;
    let before = files::size(&folded.source)?;
    let report = Report {
        output: &args.output,
        layout: args.layout,
        train: Side::of(&folded.train_cost, before),
        deploy: Side::of(&folded.deploy_cost, files::size(&args.output)?),
        comparisons: &folded.comparisons,
        blocks: folded.contributions.iter().map(Block::from).collect(),
    };
    Ok(report::print(&report, args.json)?)
}

/// The result of folding.
struct Folded {
    source: PathBuf,
    tensors: StateDict,
    metadata: Metadata,
    comparisons: Vec<Comparison>,
    train_cost: Cost,
    deploy_cost: Cost,
    contributions: Vec<Contribution>,
}

fn trained<T: Evaluate>(
    args: &ReparameterizeArgs,
    path: &Path,
    weights: Checkpoint,
    config: &Config<T::Keys>,
) -> Result<Folded, Failure> {
    let classes = known_classes(&weights, path)?;
    let metadata = weights.metadata.clone().map(|metadata| Metadata { form: Form::Deploy, ..metadata });
    let (Some(metadata), Some(Form::Train)) = (metadata, weights.metadata.as_ref().map(|metadata| metadata.form))
    else {
        return Err(deployed_already(path));
    };
    let task = T::new(config, &classes)?;
    let mut train = Network::<T>::new(&task, Form::Train, Device::Cpu)?;
    train.variables.freeze();
    train.load(&weights.tensors)?;
    let deploy = train.deployed(&task)?;
    let images = |image: &Path| {
        let picture = Image::read(image, &config.pixels()).map_err(Failure::failed)?;
        let sample = task.prepare(&picture, image)?;
        let normalizer = Normalizer::new(&metadata.normalization, Device::Cpu, false);
        Ok(normalizer.batch([T::image(&sample)].into_iter()))
    };
    let numbers = |network: &Network<T>, xs: &Tensor| {
        let output = task.forward(&network.model, xs, Mode::Eval)?;
        Ok(task.numbers(&output).into_iter().map(|(name, tensor)| (name, tensor.shallow_clone())).collect())
    };
    let [height, width] = config.data.size.sides();
    let shape = [metadata.normalization.channels(), height, width];
    let comparisons = compare(shape, &args.images, images, |xs| numbers(&train, xs), |xs| numbers(&deploy, xs))?;
    Ok(Folded {
        source: path.to_owned(),
        tensors: deploy.state(),
        metadata,
        comparisons,
        train_cost: task.cost(&train.model),
        deploy_cost: task.cost(&deploy.model),
        contributions: train.model.backbone.contributions(),
    })
}

/// A backbone, or a published classifier: its linear layer is the same in both forms.
fn bare(args: &ReparameterizeArgs, path: &Path, weights: Checkpoint) -> Result<Folded, Failure> {
    let design = weights.design().map_err(|error| in_file(path, &error))?;
    if weights.form != Some(Form::Train) {
        return Err(deployed_already(path));
    }
    let classifier = classifier(&weights, path)?;
    let backbone = weights.backbone();
    let has_tail = backbone.keys().any(|name| design.is_tail(name));
    let purpose = if has_tail { Purpose::Classification } else { Purpose::Dense };
    let setup = |form| Setup { purpose, ..Setup::classifier(form) };
    let train = design.with_weights(setup(Form::Train), &backbone).map_err(|error| in_file(path, &error))?;
    let mut tensors = train.folded();
    let deploy = design.with_weights(setup(Form::Deploy), &tensors)?;
    tensors.extend(classifier);

    let normalization = weights.metadata.as_ref().map(|metadata| metadata.normalization.clone());
    let normalization = normalization.unwrap_or_else(|| backbone::Normalization::imagenet(design.in_channels()));
    let side = args.size;
    let images = |image: &Path| {
        let picture = Image::read(image, &PixelOptions::default())
            .and_then(|image| image.resize(Size { height: side, width: side }));
        let picture = picture.map_err(Failure::failed)?;
        Ok(Normalizer::new(&normalization, Device::Cpu, false).batch([&picture].into_iter()))
    };
    let size = [side as i64; 2];
    let comparisons = compare(
        [design.in_channels(), size[0], size[1]],
        &args.images,
        images,
        |xs| features(&*train, xs),
        |xs| features(&*deploy, xs),
    )?;
    let cost = |form| design.cost(setup(form), size, weights.classes());
    Ok(Folded {
        source: path.to_owned(),
        tensors,
        comparisons,
        train_cost: cost(Form::Train),
        deploy_cost: cost(Form::Deploy),
        contributions: train.contributions(),
        metadata: match weights.metadata {
            Some(metadata) => Metadata { form: Form::Deploy, ..metadata },
            None => bare_metadata(design, Form::Deploy),
        },
    })
}

fn features(network: &dyn Backbone, xs: &Tensor) -> Result<Vec<(&'static str, Tensor)>, Failure> {
    let backbone::Features { c2, c3, c4, c5 } = network.forward(xs, Mode::Eval)?;
    Ok(vec![("c2", c2), ("c3", c3), ("c4", c4), ("c5", c5)])
}

/// The tensors outside of the backbone, which must be those of a classifier.
fn classifier(weights: &Checkpoint, path: &Path) -> Result<StateDict, Failure> {
    let others = weights.tensors.iter().filter(|(name, _)| !weights.is_backbone(name));
    let others: StateDict = others.map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
    match others.keys().find(|name| !name.starts_with(CLASSIFIER)) {
        None => Ok(others),
        Some(name) => Err(Failure::failed(format!(
            "{} holds more than a backbone and a classifier ({name}), and no metadata of its network",
            path.display()
        ))
        .hint("Files that `pipeline train` writes have metadata.")),
    }
}

fn deployed_already(path: &Path) -> Failure {
    Failure::failed(format!("{} is re-parameterised already", path.display()))
        .hint("`pipeline convert` rewrites weights under other names without changing their form.")
}

fn in_file(path: &Path, error: &backbone::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}

/// What is printed.
#[derive(Serialize)]
struct Report<'a> {
    output: &'a Path,
    layout: LayoutName,
    train: Side,
    deploy: Side,
    comparisons: &'a [Comparison],
    blocks: Vec<Block<'a>>,
}

#[derive(Serialize)]
struct Side {
    #[serde(flatten)]
    complexity: Complexity,
    file_bytes: u64,
}

impl Side {
    fn of(cost: &Cost, file_bytes: u64) -> Self {
        Self { complexity: cost.total(), file_bytes }
    }
}

#[derive(Serialize)]
struct Block<'a> {
    name: &'a str,
    branches: Vec<Branch<'a>>,
}

#[derive(Serialize)]
struct Branch<'a> {
    name: &'a str,
    share: f64,
}

impl<'a> From<&'a Contribution> for Block<'a> {
    fn from(contribution: &'a Contribution) -> Self {
        let branches = contribution.branches.iter().map(|(name, share)| Branch { name, share: *share });
        Self { name: &contribution.block, branches: branches.collect() }
    }
}

impl Tables for Report<'_> {
    fn tables(&self) -> Vec<Table> {
        let mut blocks = Table::new(
            "Share of each branch in its block (L2 norms of the kernels)",
            &["block", "convolutions", "scale", "skip"],
        );
        for block in &self.blocks {
            let shares = |prefix: &str| {
                let of_kind = block.branches.iter().filter(|branch| branch.name.starts_with(prefix));
                of_kind.map(|branch| format!("{:.2}", branch.share)).collect::<Vec<_>>().join(" ")
            };
            let name = block.name.to_owned();
            blocks.rows.push(vec![name, shares("rbr_conv"), shares("rbr_scale"), shares("rbr_skip")]);
        }
        let title = format!("{} written", self.output.display());
        let mut sizes = Table::new(title, &["form", "parameters", "multiply-adds", "file, MB"]);
        for (form, side) in [("train", &self.train), ("deploy", &self.deploy)] {
            let megabytes = format!("{:.2}", side.file_bytes as f64 / 1e6);
            let Complexity { parameters, macs } = side.complexity;
            sizes.rows.push(vec![form.to_owned(), parameters.to_string(), macs.to_string(), megabytes]);
        }
        let mut tables = vec![differences(self.comparisons), sizes];
        if !blocks.rows.is_empty() {
            tables.insert(0, blocks);
        }
        tables
    }
}
