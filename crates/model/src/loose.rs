//! JSON that was put into a string, and what Python's `repr` makes of the same.
//!
//! A tokenizer, not a replacement of quotes: `{'said': "it's fine"}` and
//! `{"said": "he said 'no'"}` both read as they were meant.

use serde_json::{Map, Number, Value};

/// Longest text that is looked at, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;

/// Reads an object or array out of `text`: JSON, JSON in a code fence, or a Python
/// literal (single quotes, `True`, `False`, `None`, tuples, trailing commas).
/// `None` if it is none of these; a bare word or number is none of them either.
pub fn read_loose(text: &str) -> Option<Value> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let text = unfenced(text);
    if !text.starts_with(['{', '[', '(']) {
        return None;
    }
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_blanks();
    (reader.at == text.len()).then_some(value)
}

/// The text without a Markdown fence around it.
pub fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else {
        return text;
    };
    // The fence may name a language.
    inner.trim_start_matches(|c: char| c.is_ascii_alphanumeric()).trim()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.take();
        }
    }

    /// Takes `wanted` if it comes next, blanks before it included.
    fn takes(&mut self, wanted: char) -> bool {
        self.skip_blanks();
        let found = self.peek() == Some(wanted);
        if found {
            self.take();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.skip_blanks();
        match self.peek()? {
            '{' => self.object(depth),
            '[' => self.array(']', depth),
            '(' => self.array(')', depth),
            '\'' | '"' => self.string().map(Value::String),
            c if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.take();
        let mut members = Map::new();
        while !self.takes('}') {
            let key = match self.value(depth + 1)? {
                Value::String(key) => key,
                key @ (Value::Number(_) | Value::Bool(_) | Value::Null) => key.to_string(),
                _ => return None,
            };
            if !self.takes(':') {
                return None;
            }
            members.insert(key, self.value(depth + 1)?);
            if !self.takes(',') && !self.is_next('}') {
                return None;
            }
        }
        Some(Value::Object(members))
    }

    fn array(&mut self, close: char, depth: usize) -> Option<Value> {
        self.take();
        let mut items = Vec::new();
        while !self.takes(close) {
            items.push(self.value(depth + 1)?);
            if !self.takes(',') && !self.is_next(close) {
                return None;
            }
        }
        Some(Value::Array(items))
    }

    fn is_next(&mut self, wanted: char) -> bool {
        self.skip_blanks();
        self.peek() == Some(wanted)
    }

    /// A quoted text. A quote ends it only where a value can end: some writers put
    /// `'it's fine'`, which Python itself never does.
    fn string(&mut self) -> Option<String> {
        let quote = self.take()?;
        let mut text = String::new();
        loop {
            match self.take()? {
                '\\' => text.push(self.escape()?),
                c if c == quote && self.ends_here() => return Some(text),
                c => text.push(c),
            }
        }
    }

    fn ends_here(&self) -> bool {
        let rest = self.text[self.at..].trim_start();
        rest.is_empty() || rest.starts_with([',', ':', '}', ']', ')'])
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.take()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'x' => self.hex(2)?,
            'u' => self.utf16()?,
            'U' => self.hex(8)?,
            other => other,
        })
    }

    fn code(&mut self, digits: usize) -> Option<u32> {
        let end = self.at.checked_add(digits)?;
        let code = u32::from_str_radix(self.text.get(self.at..end)?, 16).ok()?;
        self.at = end;
        Some(code)
    }

    fn hex(&mut self, digits: usize) -> Option<char> {
        char::from_u32(self.code(digits)?)
    }

    /// Four digits; two halves of a pair are one character.
    fn utf16(&mut self) -> Option<char> {
        let first = self.code(4)?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        if !self.text[self.at..].starts_with("\\u") {
            return None;
        }
        self.at += 2;
        let second = self.code(4)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + second)
    }

    fn token(&mut self) -> String {
        let mut token = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.')) {
            token.push(c);
            self.take();
        }
        token
    }

    fn number(&mut self) -> Option<Value> {
        let token = self.token();
        let token = token.strip_prefix('+').unwrap_or(&token);
        if let Ok(number) = serde_json::from_str::<Number>(token) {
            return Some(Value::Number(number));
        }
        // Python writes `1.` and `.5` too.
        Number::from_f64(token.parse().ok()?).map(Value::Number)
    }

    fn word(&mut self) -> Option<Value> {
        match self.token().as_str() {
            "True" | "true" => Some(Value::Bool(true)),
            "False" | "false" => Some(Value::Bool(false)),
            "None" | "null" | "nan" | "NaN" => Some(Value::Null),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn python_and_json_read_alike() {
        for (text, want) in [
            ("{'a': 'b'}", json!({"a": "b"})),
            (r#"{'said': "it's fine", 'n': 3}"#, json!({"said": "it's fine", "n": 3})),
            (r#"{"said": "he said 'no', then left"}"#, json!({"said": "he said 'no', then left"})),
            (r"{'said': 'it\'s fine', 'x': '\xe9\u20ac'}", json!({"said": "it's fine", "x": "é€"})),
            ("{'said': 'it's fine', 'ok': True}", json!({"said": "it's fine", "ok": true})),
            (r#"{'tag': 'the "Hot" one', 'no': None}"#, json!({"tag": "the \"Hot\" one", "no": null})),
            ("{'a': (1, 2.5,), 'b': [False, ], }", json!({"a": [1, 2.5], "b": [false]})),
            ("{1: 'x', 'y': -0.5e1}", json!({"1": "x", "y": -0.5e1})),
            (r"{'e': '\ud83d\ude00'}", json!({"e": "😀"})),
            ("```json\n{\"a\": 1}\n```", json!({"a": 1})),
            ("  [1]  ", json!([1])),
            ("{'a': {'b': {'c': 'x: {y}, z'}}}", json!({"a": {"b": {"c": "x: {y}, z"}}})),
        ] {
            assert_eq!(read_loose(text), Some(want), "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "",
            "hello",
            "3",
            "'a'",
            "{'a'}",
            "{'a': }",
            "{'a': 'b'",
            "{'a': 'b'} x",
            "{'a': Decimal('1')}",
            "{'a' 'b'}",
            "{[1]: 2}",
            r"{'a': '\ud83d'}",
            r"{'a': '\u12'}",
            "{'a': 1 2}",
            "(1",
        ] {
            assert_eq!(read_loose(text), None, "{text}");
        }
        assert_eq!(read_loose(&"[".repeat(5_000)), None);
        assert_eq!(read_loose(&format!("[{}]", "1,".repeat(MAX_BYTES))), None);
    }
}
