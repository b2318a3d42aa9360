//! `pipeline info`: a network layer by layer, train form and deploy form side by side.

use backbone::{Complexity, Cost, CostRow, Design, Form, Purpose, Setup};
use datasets::Class;
use front::cli::InfoArgs;
use serde::Serialize;
use tch::Device;

use crate::config::Config;
use crate::console::Table;
use crate::failure::Failure;
use crate::model::{Network, classes_of, numbered};
use crate::report::{self, Tables};
use crate::run::Subject;
use crate::task::{Train, for_task};

/// Outputs of the published classifiers.
const IMAGENET_CLASSES: u32 = 1000;

pub(super) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let info = match Design::named(&args.subject) {
        Some(_) if args.key.name().is_some() => return Err(crate::run::key_without_weights()),
        Some(design) => {
            let classes = i64::from(args.classes.unwrap_or(IMAGENET_CLASSES));
            let title = format!("{}, {classes} classes", design.title());
            backbone_info(title, &design, args.size, Some(classes))
        }
        None => match Subject::open(&args.subject, args.key.name(), &args.set.overrides)? {
            Subject::Config(config) => for_task!(config.task()?, T => task_info::<T>(args, &config.config()?, None))?,
            Subject::Trained { path, weights, config } => {
                let known = classes_of(&weights);
                let form = weights.metadata.as_ref().map_or(Form::Train, |metadata| metadata.form);
                let mut info = for_task!(config.task()?, T => task_info::<T>(args, &config.config()?, known))?;
                info.title = format!("{}: {form} form, {}", path.display(), info.title);
                info
            }
            Subject::Bare { path, weights } => {
                let design =
                    weights.design().map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
                let classes = args.classes.map(i64::from).or_else(|| weights.classes());
                let form = weights.form.map_or_else(String::new, |form| format!("{form} form, "));
                let below = match weights.prefix.as_str() {
                    "" => String::new(),
                    prefix => format!(" below `{prefix}`"),
                };
                let (path, title, layout) = (path.display(), design.title(), weights.layout);
                backbone_info(format!("{path}: {title}, {form}names {layout}{below}"), &design, args.size, classes)
            }
        },
    };
    Ok(report::print(&info, args.json)?)
}

fn backbone_info(title: String, design: &Design, side: usize, classes: Option<i64>) -> Info {
    let size = [side as i64; 2];
    let purpose = if classes.is_some() { Purpose::Classification } else { Purpose::Dense };
    let cost = |form| design.cost(Setup { purpose, ..Setup::classifier(form) }, size, classes);
    Info::new(title, size, cost(Form::Train), cost(Form::Deploy))
}

fn task_info<T: Train>(args: &InfoArgs, config: &Config<T::Keys>, known: Option<Vec<Class>>) -> Result<Info, Failure> {
    let classes = match (args.classes, known) {
        (Some(count), _) => numbered(count.into()),
        (None, Some(classes)) => classes,
        (None, None) => {
            let data = T::training_data(config);
            data.map_err(|failure| failure.hint("--classes COUNT shows the network without the data."))?.classes
        }
    };
    let task = T::new(config, &classes)?;
    let cost = |form| -> Result<Cost, Failure> {
        let network = Network::<T>::new(&task, form, Device::Cpu)?;
        Ok(task.cost(&network.model))
    };
    let name = config.name.as_deref().unwrap_or("network");
    let title = format!("{name}, {} classes", classes.len());
    Ok(Info::new(title, config.data.size.sides(), cost(Form::Train)?, cost(Form::Deploy)?))
}

/// What is printed.
#[derive(Serialize)]
struct Info {
    title: String,
    /// Height and width of the input.
    size: [i64; 2],
    layers: Vec<Layer>,
    train: Total,
    deploy: Total,
}

#[derive(Serialize)]
struct Layer {
    name: String,
    /// Channels, height and width.
    output: [i64; 3],
    /// Of the output for one image in fp32.
    activation_bytes: i64,
    train: Complexity,
    deploy: Complexity,
}

#[derive(Serialize)]
struct Total {
    #[serde(flatten)]
    complexity: Complexity,
    activation_bytes: i64,
}

impl Info {
    fn new(title: String, size: [i64; 2], train: Cost, deploy: Cost) -> Self {
        let [train_total, deploy_total] = [&train, &deploy].map(|cost| Total {
            complexity: cost.total(),
            activation_bytes: cost.rows.iter().map(|row| row.activation_bytes).sum(),
        });
        let layer = |CostRow { name, output, complexity: train, activation_bytes }| {
            // What the deploy form lacks is there for training only, such as an auxiliary head.
            let deploy = deploy.rows.iter().find(|row| row.name == name).map(|row| row.complexity).unwrap_or_default();
            Layer { name, output, activation_bytes, train, deploy }
        };
        let layers = train.rows.into_iter().map(layer).collect();
        Self { title, size, layers, train: train_total, deploy: deploy_total }
    }
}

impl Tables for Info {
    fn tables(&self) -> Vec<Table> {
        let millions = |count: i64| format!("{:.3}", count as f64 / 1e6);
        let kibibytes = |bytes: i64| format!("{:.0}", bytes as f64 / 1024.0);
        let [height, width] = self.size;
        let header = ["layer", "output", "M params: train", "deploy", "M mult-adds: train", "deploy", "output KiB"];
        let mut layers = Table::new(format!("{}, input {height}x{width}", self.title), &header);
        layers.rows.extend(self.layers.iter().map(|layer| {
            let [channels, height, width] = layer.output;
            vec![
                layer.name.clone(),
                format!("{channels}x{height}x{width}"),
                millions(layer.train.parameters),
                millions(layer.deploy.parameters),
                millions(layer.train.macs),
                millions(layer.deploy.macs),
                kibibytes(layer.activation_bytes),
            ]
        }));
        let mut totals = Table::new("", &["form", "parameters", "multiply-adds", "fp32 weights, MB", "outputs, KiB"]);
        for (form, total) in [("train", &self.train), ("deploy", &self.deploy)] {
            let megabytes = format!("{:.2}", total.complexity.parameters as f64 * 4.0 / 1e6);
            let Complexity { parameters, macs } = total.complexity;
            totals.rows.push(vec![
                form.to_owned(),
                parameters.to_string(),
                macs.to_string(),
                megabytes,
                kibibytes(total.activation_bytes),
            ]);
        }
        vec![layers, totals]
    }
}
