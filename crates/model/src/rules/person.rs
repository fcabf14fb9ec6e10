//! Who the customer is, as far as they say so in so many words. Names need capital
//! letters, addresses an `@` or the spoken form after the word mail; anything else
//! would be a guess.

use super::words::fold;

const NAME_AFTER: [&str; 3] = ["my name is", "my names", "this is"];
const COMPANY_AFTER: [&str; 5] = ["i work at", "i work for", "calling from", "company is", "company name is"];
const MAX_NAME_WORDS: usize = 3;
const MAX_CHARS: usize = 255;
/// Endings of spoken addresses.
const ENDINGS: [&str; 9] = ["com", "org", "net", "in", "io", "co", "ai", "edu", "uk"];

pub(super) fn name(turns: &[String]) -> Option<String> {
    turns.iter().find_map(|turn| NAME_AFTER.iter().find_map(|phrase| capitalised_after(turn, phrase)))
}

pub(super) fn company(turns: &[String]) -> Option<String> {
    turns.iter().find_map(|turn| COMPANY_AFTER.iter().find_map(|phrase| capitalised_after(turn, phrase)))
}

/// The capitalised words that follow the phrase, up to the end of the sentence.
fn capitalised_after(turn: &str, phrase: &str) -> Option<String> {
    let words: Vec<&str> = turn.split_whitespace().collect();
    let folded: Vec<String> = words.iter().map(|word| fold(word)).collect();
    let wanted: Vec<&str> = phrase.split(' ').collect();
    let at = folded.windows(wanted.len()).position(|found| found.iter().zip(&wanted).all(|(a, b)| a == b))?;
    let mut name: Vec<&str> = Vec::new();
    for word in &words[at + wanted.len()..] {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        if !bare.chars().next().is_some_and(char::is_uppercase) || name.len() == MAX_NAME_WORDS {
            break;
        }
        name.push(bare);
        if word.ends_with(['.', ',', '!', '?', ';']) {
            break;
        }
    }
    let name = name.join(" ");
    (!name.is_empty() && name.chars().count() <= MAX_CHARS).then_some(name)
}

pub(super) fn email(turns: &[String]) -> Option<String> {
    turns.iter().find_map(|turn| written(turn).or_else(|| spoken(turn)))
}

fn written(turn: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '%');
    turn.split_whitespace().find_map(|word| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let (local, domain) = word.split_once('@')?;
        let fine = !local.is_empty() && local.chars().all(is_part) && domain.chars().all(is_part);
        let has_ending = domain.rsplit_once('.').is_some_and(|(name, ending)| !name.is_empty() && ending.len() >= 2);
        (fine && has_ending && word.len() <= MAX_CHARS).then(|| word.to_ascii_lowercase())
    })
}

/// `my email is asha at example dot com`.
fn spoken(turn: &str) -> Option<String> {
    let words: Vec<String> = turn.split_whitespace().map(fold).filter(|word| !word.is_empty()).collect();
    let mail = words.iter().position(|word| matches!(word.as_str(), "email" | "mail" | "emails"))?;
    words[mail..].windows(5).find_map(|found| {
        let [local, at, domain, dot, ending] = found else { return None };
        let fine = at == "at" && dot == "dot" && ENDINGS.contains(&ending.as_str());
        (fine && format!("{local}{domain}").is_ascii()).then(|| format!("{local}@{domain}.{ending}"))
    })
}
