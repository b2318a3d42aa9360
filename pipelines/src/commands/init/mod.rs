//! `pipeline init`: a configuration for somebody's folder.

mod recipe;
mod sources;
mod split;

use datasets::recognise::{innermost, recognise};
use datasets::survey::{Surveyed, survey};
use datasets::{Class, Size};
use front::cli::InitArgs;
use std::path::{Path, PathBuf};

use crate::config::{ConfigFile, TaskKind};
use crate::console;
use crate::failure::Failure;
use crate::files;
use crate::task::{AnnotatedSet, Member, Source, Task, for_task, warn_findings};
use recipe::Recipe;
use sources::Sources;
use split::Lists;

pub(super) fn run(args: &InitArgs) -> Result<(), Failure> {
    let output = args.output.clone().unwrap_or_else(|| named_after(&args.folder));
    if output.exists() && !args.force {
        return Err(Failure::usage(format!("{} already exists", output.display()))
            .hint("Name another file with -o FILE, or overwrite it with --force."));
    }
    let root = &innermost(&args.folder)?;
    let found = recognise(root, args.task == Some(TaskKind::Segment))?;
    let mut sources = Sources::of(root, &found, args.task)?;
    let seen = seen(&sources, root)?;
    let lists = match &found.val {
        Some(_) => None,
        None => {
            let lists = Lists::of(&seen.members, args.seed)?;
            sources.divide(&found.train, &seen.classes, root, &output);
            Some(lists)
        }
    };
    let trained = lists.as_ref().map_or(seen.members.len(), |lists| lists.train.len());
    let recipe = Recipe::for_set(sources.task, trained, seen.typical);
    let head = format!(
        "# Written by `pipeline init {}`: {} images of {} classes, {} to {} pixels.\n",
        args.folder.display(),
        seen.members.len(),
        seen.classes.len(),
        seen.smallest,
        seen.largest
    );
    let text = head + &recipe.yaml(&sources, root)?;
    if let Some(lists) = &lists {
        lists.write(&found.train, root, &output)?;
    }
    files::write(&output, text.as_bytes())?;
    // What is written is what `train` will read.
    let file = ConfigFile::open(&output.to_string_lossy(), &[])?;
    for_task!(file.task()?, T => file.config::<<T as Task>::Keys>().map(drop)?);
    summarise(&seen, &sources, lists.as_ref());
    console::status(format!("Train with: pipeline train {}", output.display()));
    Ok(())
}

/// `cells.yaml` for the folder `cells/`.
fn named_after(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let name = absolute.file_name().map_or_else(|| "job".to_owned(), |name| name.to_string_lossy().into_owned());
    PathBuf::from(format!("{name}.yaml"))
}

/// What is in the training set, or in all of the folder where it has no splits.
struct Seen {
    classes: Vec<Class>,
    members: Vec<Member>,
    smallest: Size,
    largest: Size,
    /// The median of the shorter sides.
    typical: usize,
}

fn seen(sources: &Sources, root: &Path) -> Result<Seen, Failure> {
    let text = sources.probe(root)?;
    let file = ConfigFile::kept_in(root, &text, &[])?;
    for_task!(file.task()?, T => {
        let config = file.config::<<T as Task>::Keys>()?;
        read(&config.data.train, root, &config.pixels())
    })
}

fn read(source: &impl Source, root: &Path, pixels: &datasets::PixelOptions) -> Result<Seen, Failure> {
    let mut left_out = 0_usize;
    let mut first = None;
    let mut on_error = |error: datasets::Error| {
        left_out += 1;
        first.get_or_insert_with(|| error.to_string());
        Ok(())
    };
    let mut set = source.read(root, None, pixels, &mut on_error)?;
    let unusable = survey(&mut set, pixels, &mut on_error, &|| ())?;
    set.leave_out(&unusable);
    if let Some(first) = first {
        console::warning(format!("{left_out} records cannot be used, the first: {first}"));
        console::warning("`pipeline data check` lists them all; data.on_error: skip trains without them");
    }
    warn_findings("data", set.findings());
    let mut sizes = Vec::new();
    for index in 0..set.images() {
        sizes.push(datasets::image::Header::read(set.file(index))?.size(pixels.orientation));
    }
    sizes.sort_by_key(|size| size.pixels());
    let mut shorter: Vec<usize> = sizes.iter().map(|size| size.height.min(size.width)).collect();
    shorter.sort_unstable();
    let (Some(&smallest), Some(&largest), Some(&typical)) =
        (sizes.first(), sizes.last(), shorter.get(shorter.len() / 2))
    else {
        return Err(Failure::failed(format!("{} has no image that can be used", root.display())));
    };
    Ok(Seen { classes: set.classes().to_vec(), members: set.members(), smallest, largest, typical })
}

fn summarise(seen: &Seen, sources: &Sources, lists: Option<&Lists>) {
    let names: Vec<&str> = seen.classes.iter().take(8).map(|class| class.name.as_str()).collect();
    let more = if seen.classes.len() > names.len() { ", ..." } else { "" };
    console::status(format!("{}: {} images", sources.layout, seen.members.len()));
    console::status(format!("{} classes: {}{more}", seen.classes.len(), names.join(", ")));
    console::status(format!("sizes: {} to {} pixels", seen.smallest, seen.largest));
    if let Some(lists) = lists {
        console::status(format!(
            "no validation set: {} images are kept for it, {} to train",
            lists.val.len(),
            lists.train.len()
        ));
    }
}
