//! Turns, sentences and words of a transcript.

/// Words before a phrase that deny it, if not further away than this.
const DENIALS: [&str; 12] =
    ["not", "no", "dont", "never", "wont", "isnt", "cant", "cannot", "without", "doesnt", "didnt", "arent"];
const DENIAL_REACH: usize = 3;

/// What the customer said, a text a turn, blank turns left out.
pub(super) fn customer_turns(transcript: &str) -> Vec<String> {
    let mut turns: Vec<(bool, String)> = Vec::new();
    for line in transcript.lines() {
        let line = line.trim();
        let lower = line.to_ascii_lowercase();
        let speaker = [("user:", true), ("assistant:", false)].into_iter().find(|(mark, _)| lower.starts_with(mark));
        match (speaker, turns.last_mut()) {
            (Some((mark, is_customer)), _) => turns.push((is_customer, line[mark.len()..].trim().to_owned())),
            (None, Some((_, text))) => {
                text.push(' ');
                text.push_str(line);
            }
            // Nobody knows who says what stands before the first speaker.
            (None, None) => {}
        }
    }
    let said = turns.into_iter().filter(|(is_customer, text)| *is_customer && text.chars().any(char::is_alphanumeric));
    said.map(|(_, text)| text.trim().to_owned()).collect()
}

/// The sentences of a turn that hold words. `but` begins a new one, so that what is
/// denied before it does not deny what comes after.
pub(super) fn sentences(turn: &str) -> Vec<Sentence> {
    let mut found = Vec::new();
    let mut from = 0;
    for (at, mark) in turn.char_indices().filter(|(at, c)| ends_sentence(turn, *at, *c)) {
        found.push((&turn[from..at], mark == '?'));
        from = at + mark.len_utf8();
    }
    found.push((&turn[from..], false));
    let mut sentences = Vec::new();
    for (text, is_question) in found {
        let words: Vec<String> = text.split_whitespace().map(fold).filter(|word| !word.is_empty()).collect();
        let parts: Vec<&[String]> = words.split(|word| word == "but").filter(|part| !part.is_empty()).collect();
        let last = parts.len().saturating_sub(1);
        sentences.extend(
            parts
                .into_iter()
                .enumerate()
                .map(|(at, words)| Sentence { words: words.to_vec(), is_question: is_question && at == last }),
        );
    }
    sentences
}

/// A full stop within a word (`example.com`, `2.5`) ends nothing.
fn ends_sentence(turn: &str, at: usize, mark: char) -> bool {
    match mark {
        '!' | '?' | ';' | ',' => true,
        '.' => turn[at + 1..].chars().next().is_none_or(char::is_whitespace),
        _ => false,
    }
}

/// Lower case, letters and digits only: `Don't` is `dont`.
pub(super) fn fold(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The words of a sentence, folded.
pub(super) struct Sentence {
    words: Vec<String>,
    pub(super) is_question: bool,
}

impl Sentence {
    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether the phrase is said and not denied; a phrase that is itself a denial
    /// (`not interested`) is not denied by what comes before.
    pub(super) fn says(&self, phrase: &str) -> bool {
        let wanted: Vec<&str> = phrase.split(' ').collect();
        let denies = wanted.iter().any(|word| DENIALS.contains(word));
        self.words.windows(wanted.len()).enumerate().any(|(at, words)| {
            let before = &self.words[at.saturating_sub(DENIAL_REACH)..at];
            let is_denied = before.iter().any(|word| DENIALS.contains(&word.as_str()));
            words.iter().zip(&wanted).all(|(word, wanted)| word == wanted) && (denies || !is_denied)
        })
    }
}
