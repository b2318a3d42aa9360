//! Which of several networks in a file is read.
//!
//! Training checkpoints hold the weights and their average, in one dictionary beside the other. The average is read, as timm's
//! `load_checkpoint` does; without one, the network in the dictionary that usually holds it. Where neither decides, nothing is read:
//! a teacher and its student have no order.

use super::layout::Place;

/// Words in the names of averages: `state_dict_ema`, `model_ema`, `ema_model`, `averaged_model`, `swa_model`.
const AVERAGES: [&str; 7] = ["ema", "average", "averaged", "avg", "swa", "shadow", "polyak"];
/// Names that timm looks for, in its order.
const FIRST_AVERAGES: [&str; 2] = ["state_dict_ema", "model_ema"];
/// Names of the dictionaries that hold the weights themselves, in timm's order, then others.
const PLAIN: [&str; 8] =
    ["state_dict", "model", "model_state_dict", "model_state", "network", "net", "weights", "params"];
/// Wrappers say nothing of what is in them.
const WRAPPER: &str = "module";

/// The networks of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The one to read.
    pub taken: Place,
    /// Whether it is an average of weights.
    pub average: bool,
    /// The keys of the others.
    pub others: Vec<String>,
}

/// Why none was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undecided {
    /// There are several, and nothing says which is meant: their keys.
    Several(Vec<String>),
    /// None is at or below the wanted key: the keys that there are.
    NotThere(Vec<String>),
}

/// Chooses among the networks of a file, which has these `names`; none where it has no network. With a `key`, only networks at or
/// below it are considered.
///
/// # Errors
/// Where the rule does not decide.
pub fn choose<'a>(
    names: impl Iterator<Item = &'a String> + Clone,
    key: Option<&str>,
) -> Result<Option<Choice>, Undecided> {
    let places = Place::all(names.clone());
    let keys = |places: &[&Place]| places.iter().map(|place| place.key().to_owned()).collect::<Vec<_>>();
    let below = |place: &Place| {
        let rest = key.map(|key| place.key().strip_prefix(key));
        rest.is_none_or(|rest| rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    let wanted: Vec<&Place> = places.iter().filter(|place| below(place)).collect();
    if wanted.is_empty() {
        let all = keys(&places.iter().collect::<Vec<_>>());
        return if key.is_some() { Err(Undecided::NotThere(all)) } else { Ok(None) };
    }
    // MMEngine exchanges the two before it saves: the average is in `state_dict`, the weights beside a count of steps.
    let exchanged = names.clone().any(|name| name == "ema_state_dict.steps");
    let is_average = |place: &Place| !exchanged && is_average(&place.prefix);
    let averages: Vec<&Place> = wanted.iter().copied().filter(|place| is_average(place)).collect();
    let taken = match (&wanted[..], &averages[..]) {
        ([only], _) | (_, [only]) => Some(*only),
        (several, []) => first(several, plain_rank),
        (_, averages) => first(averages, average_rank),
    };
    let Some(taken) = taken else { return Err(Undecided::Several(keys(&wanted))) };
    let others: Vec<&Place> = places.iter().filter(|place| *place != taken).collect();
    let average = is_average(taken) || exchanged && taken.prefix.starts_with("state_dict.");
    Ok(Some(Choice { taken: taken.clone(), average, others: keys(&others) }))
}

/// The one of the lowest rank, where there is only one of it.
fn first<'a>(places: &[&'a Place], rank: fn(&str) -> Option<Vec<usize>>) -> Option<&'a Place> {
    let mut ranked: Vec<_> = places.iter().filter_map(|place| Some((rank(&place.prefix)?, *place))).collect();
    ranked.sort_by(|(a, _), (b, _)| a.cmp(b));
    match &ranked[..] {
        [(first, _), (second, _), ..] if first == second => None,
        [(_, place), ..] => Some(place),
        [] => None,
    }
}

fn parts(prefix: &str) -> impl Iterator<Item = &str> {
    prefix.split('.').filter(|part| !part.is_empty() && *part != WRAPPER)
}

fn is_average(prefix: &str) -> bool {
    let is_known = |word: &str| AVERAGES.iter().any(|known| known.eq_ignore_ascii_case(word));
    parts(prefix).any(|part| part.split(['_', '-']).any(is_known))
}

fn plain_rank(prefix: &str) -> Option<Vec<usize>> {
    parts(prefix).map(|part| PLAIN.iter().position(|known| *known == part)).collect()
}

fn average_rank(prefix: &str) -> Option<Vec<usize>> {
    let first = parts(prefix).next()?;
    FIRST_AVERAGES.iter().position(|known| *known == first).map(|rank| vec![rank])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(prefixes: &[&str], key: Option<&str>) -> Result<Option<Choice>, Undecided> {
        let names: Vec<String> = prefixes.iter().map(|prefix| format!("{prefix}stem.reparam_conv.weight")).collect();
        choose(names.iter(), key)
    }

    fn taken(prefixes: &[&str]) -> String {
        choice(prefixes, None).unwrap().unwrap().taken.prefix
    }

    #[test]
    fn the_average_is_read_where_there_is_one() {
        assert_eq!(taken(&["state_dict.", "state_dict_ema."]), "state_dict_ema.");
        assert_eq!(taken(&["model.", "model_ema."]), "model_ema.");
        assert_eq!(taken(&["ema.", "model."]), "ema.");
        assert_eq!(taken(&["state_dict.ema_model.module.", "state_dict.model."]), "state_dict.ema_model.module.");
        assert_eq!(taken(&["", "ema."]), "ema.");
        assert_eq!(taken(&["model_ema.", "state_dict_ema.", "swa."]), "state_dict_ema.");
        let choice = choice(&["state_dict.", "state_dict_ema."], None).unwrap().unwrap();
        assert!(choice.average);
        assert_eq!(choice.others, ["state_dict"]);
    }

    #[test]
    fn without_an_average_the_usual_dictionary_is_read() {
        assert_eq!(taken(&["model.", "state_dict."]), "state_dict.");
        assert_eq!(taken(&["state_dict.model.", "state_dict.teacher."]), "state_dict.model.");
        assert_eq!(taken(&["", "teacher."]), "");
        assert_eq!(taken(&["student.module."]), "student.module.");
    }

    #[test]
    fn what_mmengine_exchanged_is_read_as_the_average() {
        let mut names: Vec<String> = ["state_dict.", "ema_state_dict.module."]
            .map(|prefix| format!("{prefix}backbone.stage0.branch_reparam.weight"))
            .into();
        names.push("ema_state_dict.steps".to_owned());
        let choice = choose(names.iter(), None).unwrap().unwrap();
        assert_eq!((choice.taken.key(), choice.average), ("state_dict", true));
    }

    #[test]
    fn nothing_is_read_where_nothing_decides() {
        let keys = |keys: &[&str]| keys.iter().map(|key| key.to_string()).collect::<Vec<_>>();
        let several = |prefixes: &[&str]| choice(prefixes, None).unwrap_err();
        assert_eq!(several(&["student.", "teacher."]), Undecided::Several(keys(&["student", "teacher"])));
        assert_eq!(several(&["ema_0.99.", "ema_0.999."]), Undecided::Several(keys(&["ema_0.99", "ema_0.999"])));
        assert_eq!(choice(&[], None), Ok(None));
    }

    #[test]
    fn a_key_chooses_the_network_at_or_below_it() {
        let prefixes = ["state_dict.", "state_dict_ema.", "student.module."];
        let by_key = |key| choice(&prefixes, Some(key)).map(|choice| choice.unwrap().taken.prefix);
        assert_eq!(by_key("state_dict").unwrap(), "state_dict.");
        assert_eq!(by_key("student").unwrap(), "student.module.");
        assert_eq!(choice(&["", "ema."], Some(".")).unwrap().unwrap().taken.prefix, "");
        let keys = prefixes.map(|prefix| prefix.trim_end_matches('.').to_owned()).to_vec();
        assert_eq!(by_key("stud").unwrap_err(), Undecided::NotThere(keys));
        assert_eq!(choice(&[], Some("model")), Err(Undecided::NotThere(Vec::new())));
    }
}
