//! `${NAME}` and `${NAME:-default}`: environment variables in a configuration's text.

use std::path::Path;

use crate::failure::Failure;

/// Replaces the variables in a text, line by line; `lookup` gives their values.
///
/// # Errors
/// When a variable has neither a value nor a default, or its brace is not closed.
pub(super) fn put_variables_in(
    text: &str,
    path: &Path,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<String, Failure> {
    let mut out = String::with_capacity(text.len());
    for (index, line) in text.lines().enumerate() {
        let mut rest = line;
        // A comment may show the notation without meaning it.
        while let Some(start) = rest.find("${").filter(|start| !rest[..*start].contains('#')) {
            let place = || format!("{}:{}", path.display(), index + 1);
            let length = rest[start..]
                .find('}')
                .ok_or_else(|| Failure::usage(format!("{}: `${{` has no closing `}}`", place())))?;
            let inside = &rest[start + 2..start + length];
            let (name, default) = match inside.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inside, None),
            };
            let value = lookup(name).filter(|value| !value.is_empty()).or_else(|| default.map(str::to_owned));
            out.push_str(&rest[..start]);
            out.push_str(&value.ok_or_else(|| {
                Failure::usage(format!("{}: the environment variable {name} is not set", place()))
                    .hint(format!("Set it, or write a default: ${{{name}:-value}}."))
            })?);
            rest = &rest[start + length + 1..];
        }
        out.push_str(rest);
        out.push('\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Result<String, Failure> {
        put_variables_in(text, Path::new("job.yaml"), |name| (name == "HERE").then(|| "/data".to_owned()))
    }

    #[test]
    fn variables_are_put_in_and_defaults_fill_what_is_not_set() {
        let text = "a: ${HERE}/coco\nb: ${THERE:-data}/voc # ${NOT}\n";
        assert_eq!(expand(text).unwrap(), "a: /data/coco\nb: data/voc # ${NOT}\n");
    }

    #[test]
    fn a_variable_without_value_names_its_line() {
        let failure = expand("a: 1\nb: ${THERE}\n").unwrap_err();
        assert_eq!(failure.to_string(), "job.yaml:2: the environment variable THERE is not set");
        assert!(expand("a: ${HERE\n").unwrap_err().to_string().contains("no closing"));
    }
}
