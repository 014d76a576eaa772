//! Rules for what stands in front of the front end and of this API, so that each path goes to whom it belongs: from the
//! table in `infra/front-end-routes.txt`.

use std::{fmt::Write, fs};

use anyhow::{Context, ensure};

use crate::root;

/// Whose a route is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// One of the application before that this API serves.
    Ours,
    /// One that stays with the front end.
    Theirs,
    /// One of this API alone.
    New,
    /// The same, by this API's own address alone.
    Here,
}

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Route {
    pub side: Side,
    /// `GET`, `POST`, …, sorted; of one that is re-exported there, `ANY`.
    pub methods: Vec<String>,
    /// `/api/prompts/{id}`; `{name+}` is what is left of a path.
    pub path: String,
}

impl Route {
    /// Whether requests to it are sent here.
    pub fn comes_here(&self) -> bool {
        matches!(self.side, Side::Ours | Side::New)
    }

    fn segments(&self) -> Vec<&str> {
        self.path.split('/').collect()
    }
}

/// The table.
pub fn table() -> anyhow::Result<Vec<Route>> {
    let file = "infra/front-end-routes.txt";
    let text = fs::read_to_string(root().join(file))?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| route(line).with_context(|| format!("{file}: {line}"))).collect()
}

fn route(line: &str) -> anyhow::Result<Route> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [side, methods, path] = words[..] else { anyhow::bail!("a side, methods and a path") };
    let side = match side {
        "ours" => Side::Ours,
        "theirs" => Side::Theirs,
        "new" => Side::New,
        "here" => Side::Here,
        other => anyhow::bail!("{other} is no side"),
    };
    Ok(Route { side, methods: methods.split(',').map(str::to_owned).collect(), path: path.to_owned() })
}

/// Those of the table that are sent here, and whose paths begin with one of `wanted`, if any is given.
fn sent_here<'a>(table: &'a [Route], wanted: &[String]) -> anyhow::Result<Vec<&'a Route>> {
    let begins = |route: &&Route, start: &String| {
        let rest = route.path.strip_prefix(start.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let here: Vec<&Route> = table.iter().filter(|route| route.comes_here()).collect();
    for start in wanted {
        ensure!(here.iter().any(|route| begins(route, start)), "no route that is sent here begins with {start}");
    }
    Ok(here.into_iter().filter(|route| wanted.is_empty() || wanted.iter().any(|start| begins(route, start))).collect())
}

/// The function `rewrites` of `next.config.js`. A name in a path takes none of the names that stay with the front end.
pub fn next(table: &[Route], wanted: &[String]) -> anyhow::Result<String> {
    let mut text = String::from("async rewrites() {\n  return {\n    beforeFiles: [\n");
    for route in sent_here(table, wanted)? {
        let (mut source, mut target) = (String::new(), String::new());
        for (index, segment) in route.segments().into_iter().enumerate().skip(1) {
            let Some(name) = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) else {
                write!(source, "/{segment}")?;
                write!(target, "/{segment}")?;
                continue;
            };
            let others = names_instead(table, route, index);
            let but = if others.is_empty() { String::new() } else { format!("(?!(?:{})$)", others.join("|")) };
            // Behind it a segment may follow, so that the name ends at a slash as well.
            let but = but.replace('$', "(?:/|$)");
            let rule = if but.is_empty() { String::new() } else { format!("({but}[^/]+)") };
            write!(source, "/:{name}{rule}")?;
            write!(target, "/:{name}")?;
        }
        writeln!(text, "      {{ source: {source:?}, destination: `${{process.env.API_URL}}{target}` }},")?;
    }
    text.push_str("    ],\n  };\n},\n");
    Ok(text)
}

/// The words that stand in a path of the table where `route` has a name, with the same before it: they are no ids.
fn names_instead<'a>(table: &'a [Route], route: &Route, index: usize) -> Vec<&'a str> {
    let own = route.segments();
    let mut names: Vec<&str> = table
        .iter()
        .filter(|other| other.side == Side::Theirs)
        .map(Route::segments)
        .filter(|other| other.len() > index && other[..index] == own[..index] && !other[index].starts_with('{'))
        .map(|other| other[index])
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Path patterns of `CloudFront`, in the order in which they are to be tried; what fits none is the front end's. A `*`
/// there takes slashes, too: so what stays with the front end comes before a pattern that would take it.
pub fn cloudfront(table: &[Route], wanted: &[String]) -> anyhow::Result<String> {
    let ours = sent_here(table, wanted)?;
    let patterns = ours.iter().map(|route| folder(table, &ours, route).unwrap_or_else(|| pattern(&route.path)));
    let mut rules: Vec<(String, &str)> = patterns.map(|pattern| (pattern, "api")).collect();
    let taken = |route: &&Route| ours.iter().any(|ours| fits(&pattern(&ours.path), &route.path));
    let theirs = table.iter().filter(|route| !route.comes_here() && route.path.starts_with("/api/")).filter(taken);
    rules.extend(theirs.map(|route| (pattern(&route.path), "front-end")));
    // Words before names, and the longer of two paths first: what is tried first is what takes less.
    rules.sort_by_key(|(pattern, _)| {
        (pattern.matches('*').count() > 0, std::cmp::Reverse(pattern.len()), pattern.clone())
    });
    rules.dedup();
    let lines = rules.iter().enumerate();
    let lines = lines.map(|(precedence, (pattern, origin))| format!("{precedence:<3} {origin:<10} {pattern}\n"));
    Ok(lines.collect::<String>() + "-   front-end  Default (*)\n")
}

/// The pattern of the largest folder below `/api/` that holds this route and none but `ours`: one behaviour instead of
/// many, since a distribution has 75 unless AWS is asked for more.
fn folder(table: &[Route], ours: &[&Route], route: &Route) -> Option<String> {
    let segments = route.segments();
    let literal = segments.iter().take_while(|segment| !segment.starts_with('{')).count();
    let folders = (3..=literal.min(segments.len() - 1)).map(|length| segments[..length].join("/") + "/");
    let is_ours = |other: &Route| ours.iter().any(|ours| ours.path == other.path);
    let holds_none_but_ours =
        |folder: &String| table.iter().all(|other| !other.path.starts_with(folder) || is_ours(other));
    folders.into_iter().find(holds_none_but_ours).map(|folder| folder + "*")
}

fn pattern(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "*" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// Whether `CloudFront` takes a path, or a pattern of paths, for one of this pattern.
pub fn fits(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where `CloudFront`'s list sends a path.
    fn origin(rules: &str, path: &str) -> String {
        let words = rules.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let found = words.into_iter().find(|words| words[0] == "-" || fits(words[2], path));
        found.expect("the last rule fits all")[1].to_owned()
    }

    #[test]
    fn each_path_of_the_table_goes_to_whom_it_belongs() {
        let table = table().expect("readable");
        let rules = cloudfront(&table, &[]).expect("rules");
        for route in table.iter().filter(|route| route.path.starts_with("/api/")) {
            let path = route.path.replace("{nextauth+}", "callback/google").replace(['{', '}', '+'], "");
            let expected = if route.comes_here() { "api" } else { "front-end" };
            assert_eq!(origin(&rules, &path), expected, "{path}");
        }
        for path in ["/", "/account/settings", "/api/auth/session", "/api/auth/csrf", "/api/auth/callback/github"] {
            assert_eq!(origin(&rules, path), "front-end", "{path}");
        }
    }

    #[test]
    fn a_distribution_has_room_for_all() {
        let table = table().expect("readable");
        let rules = cloudfront(&table, &[]).expect("rules");
        assert!(rules.lines().count() <= 75, "{rules}");
        assert!(rules.contains(" /api/workbench/*\n") && !rules.contains(" /api/workbench/runs"), "{rules}");
        let some = |start: &str| cloudfront(&table, &[start.to_owned()]).expect("rules");
        assert!(some("/api/api-keys/usage").contains(" /api/api-keys/usage\n"), "what is beside it stays");
        assert_eq!(some("/api/auth/account").lines().count(), 3, "the path, what is below it, and the rest");
    }

    #[test]
    fn a_part_of_it_moves_alone() {
        let table = table().expect("readable");
        let some = |start: &str| next(&table, &[start.to_owned()]);
        let stats = some("/api/stats").expect("known");
        assert_eq!(stats.matches("source").count(), 2, "{stats}");
        assert!(stats.contains("\"/api/stats\"") && !stats.contains("user-stats"), "{stats}");
        assert!(some("/api/favorites").is_err() && some("/api/sta").is_err());
    }

    #[test]
    fn an_id_is_none_of_the_front_ends_words() {
        let rules = next(&table().expect("readable"), &["/api/prompts".to_owned()]).expect("rules");
        let of_id =
            rules.lines().find(|line| line.contains("/api/prompts/:id(") && line.contains("/:id`")).expect(&rules);
        assert!(of_id.contains("favorites") && of_id.contains("metrics") && !of_id.contains("collections"), "{of_id}");
    }
}
