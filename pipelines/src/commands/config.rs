//! `pipeline config`: a configuration with its defaults, or the schema of configurations.

use front::cli::ConfigArgs;

use crate::config::{Config, ConfigFile, Keys, TaskKind, schema};
use crate::console;
use crate::failure::Failure;
use crate::report;
use crate::task::{Task, for_task};

pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    match (&args.schema, &args.config) {
        (Some(task), _) => {
            let tasks = task.map_or_else(|| TaskKind::ALL.to_vec(), |task| vec![task]);
            let schemas =
                tasks.into_iter().map(|kind| for_task!(kind, T => schema::resolved::<<T as Task>::Keys>(kind)));
            Ok(console::data(&report::json(&schema::of_files(schemas.collect()))?)?)
        }
        (None, Some(name)) => {
            let file = ConfigFile::open(name, &args.set.overrides)?;
            for_task!(file.task()?, T => print::<<T as Task>::Keys>(&file.config()?, args.json))
        }
        (None, None) => Err(Failure::usage("neither a configuration nor --schema is given")),
    }
}

fn print<K: Keys>(config: &Config<K>, json: bool) -> Result<(), Failure> {
    let text = if json { report::json(config)? } else { serde_yaml::to_string(config)? };
    Ok(console::data(&text)?)
}
