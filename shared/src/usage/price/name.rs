//! The names of models. Providers and gateways add to them: who made the model, who runs it, when it was made.

/// Who runs models that others made, under names of their own: `amazon-bedrock` is `bedrock`.
const HOSTS: [(&str, &str); 22] = [
    ("amazon", "bedrock"),
    ("amazon-bedrock", "bedrock"),
    ("aws", "bedrock"),
    ("aws-bedrock", "bedrock"),
    ("bedrock-converse", "bedrock"),
    ("azure-ai", "azure"),
    ("azure-ai-foundry", "azure"),
    ("azure-openai", "azure"),
    ("azureopenai", "azure"),
    ("azure-text", "azure"),
    ("microsoft", "azure"),
    ("microsoft-azure", "azure"),
    ("deep-infra", "deepinfra"),
    ("fireworks", "fireworks-ai"),
    ("google-vertex", "vertex-ai"),
    ("google-vertex-ai", "vertex-ai"),
    ("vertex", "vertex-ai"),
    ("vertexai", "vertex-ai"),
    ("together", "together-ai"),
    ("togetherai", "together-ai"),
    ("groqcloud", "groq"),
    ("workers-ai", "cloudflare"),
];
/// Programs and places that run a model on one's own machine: the maker's price for it does not count there.
const OWN_MACHINES: [&str; 18] = [
    "hosted-vllm",
    "huggingface-local",
    "jan",
    "koboldcpp",
    "llama-cpp",
    "llamacpp",
    "llamafile",
    "lm-studio",
    "lmstudio",
    "local",
    "localai",
    "localhost",
    "mlx",
    "ollama",
    "ollama-chat",
    "on-premises",
    "self-hosted",
    "vllm",
];
/// Gateways and makers that some put in front of a name with a hyphen, `databricks-claude-3-7-sonnet`. Not those whose
/// models are called so: `mistral-large`.
const HYPHENATED: [&str; 10] =
    ["anthropic", "aws", "azure", "bedrock", "databricks", "google", "groq", "openai", "openrouter", "vertex"];
/// What is added to the name of a model that is not another one.
const VERSIONS: [&str; 6] = ["-latest", "-default", "-preview", "-experimental", "-exp", "-stable"];
/// What `OpenRouter` adds to a name to say how the call is routed. `:free` is none of them: it has another price.
const ROUTES: [&str; 8] = [":beta", ":exacto", ":extended", ":floor", ":latest", ":nitro", ":online", ":thinking"];
/// Names longer than that are nobody's, and have ever more spellings.
const MAX_BYTES: usize = 200;
/// Of a path as long as one likes, these many last parts are looked at.
const MAX_PARTS: usize = 6;

/// A name in the one form in which names are compared: `Claude 3.5_Sonnet` is `claude-3-5-sonnet`.
pub fn normal(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    let letters: Vec<char> = name.trim_matches(is_blank).chars().collect();
    for (place, letter) in letters.iter().enumerate() {
        let digit = |place: Option<usize>| place.and_then(|place| letters.get(place)).is_some_and(char::is_ascii_digit);
        match letter {
            '.' if digit(place.checked_sub(1)) && digit(Some(place + 1)) => normal.push('-'),
            '_' | ' ' | '-' if normal.ends_with(['-', '/']) => {}
            '_' | ' ' => normal.push('-'),
            '|' | '\\' => normal.push('/'),
            _ => normal.extend(letter.to_lowercase()),
        }
    }
    normal
}

/// Blanks, and what shows as nothing: a name that was copied brings them along.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// A provider or host as it is listed.
pub fn host(name: &str) -> String {
    let name = normal(name);
    HOSTS.iter().find(|(other, _)| *other == name).map_or(name, |(_, host)| (*host).to_owned())
}

/// Without regions and makers in front, and dates and revisions behind: what the model itself is called.
pub fn bare(name: &str) -> &str {
    let name = std::iter::successors(Some(name), |name| after_dot(name)).last().unwrap_or(name);
    let without_end = |name| without_at(name).or_else(|| without_revision(name)).or_else(|| without_date(name));
    std::iter::successors(Some(name), |name| without_end(name)).last().unwrap_or(name)
}

/// What a model may be listed as.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The keys, the most particular first: each spelling of the model's name, at its host and anywhere.
    pub(super) keys: Vec<String>,
    /// It runs on a machine of one's own: what its maker asks elsewhere says nothing.
    pub(super) on_own_machine: bool,
}

/// The names of a model at a provider.
pub(super) fn names(provider: &str, model: &str) -> Names {
    let model = normal(model);
    if model.len() > MAX_BYTES {
        return Names::default();
    }
    let (mut keys, mut hosts) = (Vec::new(), vec![host(provider)]);
    let mut rest = model.rmatch_indices('/').nth(MAX_PARTS).map_or(model.as_str(), |(at, _)| &model[at + 1..]);
    loop {
        for name in spellings(rest).into_iter().filter(|name| !name.is_empty()) {
            keys.extend(hosts.iter().map(|host| format!("{host}/{name}")));
            keys.push(name);
        }
        // `openrouter/openai/gpt-4o`, `openai:gpt-4o`: what is in front says who runs it.
        let Some((before, after)) = rest.split_once('/').or_else(|| before_colon(rest)) else { break };
        hosts.insert(0, host(before));
        rest = after;
    }
    let mut seen = std::collections::HashSet::new();
    keys.retain(|key| seen.insert(key.clone()));
    Names { keys, on_own_machine: hosts.iter().any(|host| OWN_MACHINES.contains(&host.as_str())) }
}

/// `openai:gpt-4o`, but neither `llama3:8b` nor `ft:gpt-4o:us::id`.
fn before_colon(name: &str) -> Option<(&str, &str)> {
    let (before, after) = name.split_once(':')?;
    let is_word = before.chars().all(|letter| letter.is_ascii_alphabetic() || letter == '-');
    (is_word && before != "ft" && after.starts_with(|letter: char| letter.is_ascii_alphabetic()))
        .then_some((before, after))
}

/// A name and what is left of it when what was added is taken off, step by step.
fn spellings(name: &str) -> Vec<String> {
    let mut all = Vec::new();
    for name in tuned(name) {
        let mut front = Some(name.as_str());
        while let Some(name) = front {
            let mut back = Some(name);
            while let Some(name) = back {
                all.push(name.to_owned());
                back = without_end(name);
            }
            front = without_front(name);
        }
    }
    all
}

/// `ft:gpt-4o-mini-2024-07-18:us::id`: a tuned model has a price of its own, and else that of what it was made of.
fn tuned(name: &str) -> Vec<String> {
    if let Some(tuned) = name.strip_prefix("ft:") {
        let base = tuned.split(':').next().unwrap_or(tuned);
        let dateless = std::iter::successors(Some(base), |name| without_end(name)).map(|name| format!("ft:{name}"));
        return dateless.chain([base.to_owned()]).collect();
    }
    match name.split_once(".ft-") {
        Some((base, _)) => vec![format!("ft:{base}"), base.to_owned()],
        None => vec![name.to_owned()],
    }
}

/// Without a region or maker in front: `us.anthropic.claude-3-haiku`, `azure.gpt-4o`, `databricks-gpt-4o`.
fn without_front(name: &str) -> Option<&str> {
    after_dot(name).or_else(|| HYPHENATED.iter().find_map(|maker| name.strip_prefix(maker)?.strip_prefix('-')))
}

fn after_dot(name: &str) -> Option<&str> {
    let (before, after) = name.split_once('.')?;
    let is_word = before.chars().all(|letter| letter.is_ascii_alphabetic() || letter == '-');
    (is_word && after.starts_with(|letter: char| letter.is_ascii_alphabetic())).then_some(after)
}

/// Without the last of what was added behind: a version, a date, a route.
fn without_end(name: &str) -> Option<&str> {
    if let Some(before) = without_at(name) {
        return Some(before);
    }
    if let Some(before) = ROUTES.iter().chain(&VERSIONS).find_map(|added| name.strip_suffix(added)) {
        return Some(before);
    }
    without_revision(name).or_else(|| without_date(name)).filter(|before| !before.is_empty())
}

/// Vertex's: `claude-3-5-sonnet@20241022`, `gemini-1.5-pro@001`.
fn without_at(name: &str) -> Option<&str> {
    name.split_once('@').map(|(before, _)| before)
}

/// Bedrock's: `…-v2:0`, `…-v1:0:200k`; `-v1` behind a date; and Vertex's `claude-3-5-sonnet-v2`.
fn without_revision(name: &str) -> Option<&str> {
    let (before, after) = name.rsplit_once("-v")?;
    let mut parts = after.split(':');
    let is_number = |text: &str| !text.is_empty() && text.len() < 4 && text.bytes().all(|digit| digit.is_ascii_digit());
    let version = parts.next().is_some_and(is_number);
    let numbered = after.contains(':') && parts.all(|part| is_number(part.trim_end_matches('k')));
    let plain = !after.contains(':') && (without_date(before).is_some() || before.starts_with("claude-"));
    (version && (numbered || plain)).then_some(before)
}

/// `-2024-11-20`, `-20241022`, `-241022`, `-11-2024`, `-2024-11`, `-05-06`, `-1106`, `-001`.
fn without_date(name: &str) -> Option<&str> {
    let mut parts = name.rsplitn(4, '-');
    let (last, second, third) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
    let number = |text: &str, digits: usize| {
        (text.len() == digits && text.bytes().all(|digit| digit.is_ascii_digit())).then(|| text.parse::<u32>().ok())?
    };
    let year = |text: &str| number(text, 4).is_some_and(|year| (2020..2100).contains(&year));
    let month = |text: &str| number(text, 2).is_some_and(|month| (1..=12).contains(&month));
    let day = |text: &str| number(text, 2).is_some_and(|day| (1..=31).contains(&day));
    let digits = if day(last) && month(second) && year(third) {
        10
    } else if (month(last) && year(second)) || (year(last) && month(second)) {
        7
    } else if day(last) && month(second) {
        5
    } else if number(last, 8).is_some_and(|date| (20_200_000..21_000_000).contains(&date)) {
        8
    } else if number(last, 6).is_some_and(|date| (200_000..1_000_000).contains(&date)) {
        6
    } else if number(last, 4).is_some() {
        4
    } else if number(last, 3).is_some_and(|number| number < 100) {
        3
    } else {
        return None;
    };
    name.get(..name.len().checked_sub(digits + 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(provider: &str, model: &str) -> Vec<String> {
        names(provider, model).keys
    }

    #[test]
    fn a_name_is_compared_without_case_and_signs() {
        for (name, compared) in [
            (" GPT-4o\u{a0}", "gpt-4o"),
            ("gpt-4o\u{200b}\n", "gpt-4o"),
            ("Claude 3.5 Sonnet", "claude-3-5-sonnet"),
            ("gpt_4.1__mini", "gpt-4-1-mini"),
            ("us.anthropic.claude", "us.anthropic.claude"),
            ("OpenAI | GPT-4o", "openai-/gpt-4o"),
        ] {
            assert_eq!(normal(name), compared, "{name:?}");
        }
        assert_eq!((host("Azure_OpenAI").as_str(), host("Groq ").as_str()), ("azure", "groq"));
    }

    #[test]
    fn what_was_added_to_a_name_is_taken_off_step_by_step() {
        let gpt = "gpt-4o";
        for name in [
            "gpt-4o",
            "gpt-4o-2024-11-20",
            "openai/gpt-4o",
            "GPT-4o",
            "gpt-4o ",
            "azure.gpt-4o",
            "azure/gpt-4o-2024-08-06",
            "openrouter/openai/gpt-4o",
            "openrouter/openai/gpt-4o:online",
            "openai:gpt-4o",
            "openai/gpt-4o@2024-11-20",
            "gpt-4o-latest",
            "gpt-4o@latest",
            "databricks-gpt-4o",
            "ft:gpt-4o-2024-08-06:org::id",
            "gpt-4o-2024-08-06.ft-0123abcd",
            "https://gateway.example/v1/models/gpt-4o",
        ] {
            assert!(keys("p", name).iter().any(|key| key == gpt), "{name}: {:?}", keys("p", name));
        }
        for (name, bare) in [
            ("claude-3-5-sonnet-20241022", "claude-3-5-sonnet"),
            ("claude-3-5-sonnet@20241022", "claude-3-5-sonnet"),
            ("claude-3-5-sonnet-v2@20241022", "claude-3-5-sonnet"),
            ("anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet"),
            ("us.anthropic.claude-3-5-sonnet-20241022-v2:0:200k", "claude-3-5-sonnet"),
            ("us-gov.anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku"),
            (
                "arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-3-haiku-20240307-v1:0",
                "claude-3-haiku",
            ),
            ("claude-3.5-sonnet", "claude-3-5-sonnet"),
            ("claude-3-opus-latest", "claude-3-opus"),
            ("models/gemini-1.5-pro", "gemini-1-5-pro"),
            ("models/gemini-1.5-pro-002", "gemini-1-5-pro"),
            ("vertex_ai/gemini-1.5-pro@001", "gemini-1-5-pro"),
            ("publishers/google/models/gemini-2.5-pro-preview-06-05", "gemini-2-5-pro"),
            ("meta.llama3-1-70b-instruct-v1:0", "llama3-1-70b-instruct"),
            ("command-r-08-2024", "command-r"),
            ("mistral-large-2411", "mistral-large"),
            ("gpt-4-0613", "gpt-4"),
        ] {
            assert!(keys("p", name).iter().any(|key| key == bare), "{name}: {:?}", keys("p", name));
        }
    }

    #[test]
    fn another_model_is_not_taken_for_one_that_is_known() {
        for name in
            ["gpt-4o-mini", "gpt-4o-audio", "my-gpt-4o", "gpt-4o-tuned", "gpt-4", "gpt-4o:free", "gpt-4o-2", "gpt-40"]
        {
            assert!(!keys("p", name).iter().any(|key| key == "gpt-4o"), "{name}: {:?}", keys("p", name));
        }
        for name in ["", " ", "/", "::", "-", "@", "ft:", ".", "\u{200b}", "-2024-11-20", "a-20241022@"] {
            assert!(keys("p", name).iter().all(|key| !key.is_empty()), "{name:?}: {:?}", keys("p", name));
        }
        assert_eq!(keys("p", &"a/".repeat(5_000)), [""; 0]);
    }

    #[test]
    fn who_runs_a_model_comes_before_who_made_it() {
        assert_eq!(keys("Together_AI", "meta/llama")[..2], ["together-ai/meta/llama", "meta/llama"]);
        assert_eq!(keys("x", "azure/gpt-4o").iter().position(|key| key == "azure/gpt-4o"), Some(1));
        assert!(names("ollama", "deepseek-r1").on_own_machine && names("p", "vllm/deepseek-r1").on_own_machine);
        assert!(!names("deepseek", "deepseek-r1").on_own_machine);
    }
}
