//! `pipeline man`: the man page.

use clap::CommandFactory;
use clap_mangen::Man;

use crate::cli::{Cli, ManArgs};
use crate::console;
use crate::failure::Failure;

pub(super) fn run(args: &ManArgs) -> Result<(), Failure> {
    match &args.output {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .map_err(|error| Failure::failed(format!("cannot create {}: {error}", folder.display())))?;
            clap_mangen::generate_to(Cli::command(), folder)
                .map_err(|error| Failure::failed(format!("cannot write into {}: {error}", folder.display())))
        }
        None => {
            let mut page = Vec::new();
            Man::new(Cli::command()).render(&mut page).map_err(Failure::failed)?;
            console::data(&String::from_utf8(page).map_err(Failure::failed)?)
        }
    }
}
