//! Commands about published weights.

use clap::{Args, Subcommand};

/// `pipeline weights`.
#[derive(Debug, Subcommand)]
pub enum WeightsCommand {
    /// List the published weights of MobileOne, and which are in the cache
    List(ListArgs),
    /// Fetch weights into the cache, and print their paths
    Fetch(FetchArgs),
}

/// `pipeline weights list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `pipeline weights fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// A name from the list, ORG/REPOSITORY[@REVISION][/FILE] on the hub, or an address
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Ask for a newer file even if one is in the cache
    #[arg(long)]
    pub update: bool,
}
