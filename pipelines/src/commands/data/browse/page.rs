//! The page as text: what it knows of every image is in it, so that it opens from a file as from a server.

use serde::Serialize;
use serde_json::json;

use super::listing::Listing;
use super::pictures::Samples;
use crate::failure::Failure;
use crate::report::page::{self, STYLE};

const TEMPLATE: &str = include_str!("page.html");
const OWN_STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What a page holds.
#[derive(Serialize)]
struct Content<'a> {
    #[serde(flatten)]
    listing: &'a Listing,
    /// The configuration's seed.
    seed: u64,
    #[serde(flatten)]
    kept: &'a Kept,
}

/// What a page in a folder has of what a server would make when it is asked.
#[derive(Default, Serialize)]
pub(super) struct Kept {
    /// The address of the data's folder, for images as a whole.
    pub(super) originals: Option<String>,
    /// Augmented samples of the first epochs.
    pub(super) epochs: Option<Vec<Samples>>,
}

/// The page of a listing.
pub(super) fn html(listing: &Listing, seed: u64, kept: &Kept) -> Result<String, Failure> {
    let content = serde_json::to_string(&Content { listing, seed, kept }).map_err(Failure::failed)?;
    let view = json!({
        "title": listing.title, "style": STYLE, "own_style": OWN_STYLE, "script": SCRIPT,
        "script_hash": page::script_hash(SCRIPT), "seed": seed, "is_served": kept.epochs.is_none(),
        // Nothing in it can end the element that it stands in.
        "content": content.replace('<', "\\u003c"),
    });
    page::render(TEMPLATE, view)
}
