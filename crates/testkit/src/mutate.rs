//! Bodies as nobody should send them: documented samples, changed by chance in their
//! structure first, then in how they are written, then in their bytes.
//!
//! Most of them stay well-formed, since what is refused as no JSON at all tells
//! nothing of what comes behind. The same dice give the same bytes.

use std::fmt::Write as _;

use serde_json::Value;

use crate::histories::Dice;

/// JSON values as text that readers disagree about, or that lie at some limit.
const ODD: [&str; 44] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-0.0",
    "-1",
    "1",
    "3",
    "4",
    "1.5",
    "0.1e-400",
    "1e12",
    "1e308",
    "1e400",
    "-1e308",
    "01",
    "NaN",
    "Infinity",
    "86400",
    "86401",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "123456789012345678901234567890",
    "0.0000000000000000000000000000000000001",
    "1772532672",
    "[]",
    "{}",
    "[[]]",
    "[null]",
    r#"{"":""}"#,
    r#"{"id":"x","id":"y"}"#,
    r#""\u0000""#,
    r#""a\u0000b""#,
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    r#""\ud83d\ude00""#,
    "'x'",
    "undefined",
    "",
    "{",
    "\"",
];

/// Texts of the same kinds; they are written as JSON or as a form's value.
const ODD_TEXTS: [&str; 56] = [
    "",
    " ",
    "null",
    "None",
    "true",
    "0",
    "-5",
    "42",
    "042",
    "42.5",
    "1:02",
    "1e5",
    "NaN",
    "\0",
    "a\0b",
    "😀",
    "\u{202e}abc",
    "e\u{301}",
    "𠀀",
    "\u{feff}",
    "\r\n",
    "anonymous",
    "client:joe",
    "sip:joe@example.test",
    "+1",
    "+12025550143",
    "completed",
    "COMPLETED",
    "completed ",
    "failed",
    "no-answer",
    "scheduled",
    "call-disconnected",
    "dialing",
    "individual",
    "complete",
    "../../etc/passwd",
    "'; DROP TABLE calls; --",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "{'a': None, \"b\": [True, (1,)]}",
    "{\"a\": \"\\ud800\"}",
    "{\"name\":\"Asha\",\"email\":\"a@b.in\"}",
    "http://169.254.169.254/",
    "0000-00-00",
    "1970-01-01T00:00:00",
    "2026-03-03T10:11:12",
    "2026-03-03T10:11:60Z",
    "2026-03-03T10:11:12+05:30",
    "2026-02-30T10:11:12Z",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "294277-01-01T00:00:00Z",
    "Tue, 03 Mar 2026 10:12:07 +0000",
    "Tue, 30 Jun 2026 23:59:60 +0000",
    "CA00000000000000000000000000000002",
];

/// Members that a reader looks for, beside those of the sample.
const KEYS: [&str; 24] = [
    "id",
    "execution_id",
    "call_id",
    "agent_id",
    "status",
    "retry_count",
    "retry_history",
    "updated_at",
    "created_at",
    "initiated_at",
    "conversation_duration",
    "conversation_time",
    "total_cost",
    "cost_breakdown",
    "telephony_data",
    "transfer_call_data",
    "context_details",
    "extracted_data",
    "transcript",
    "provider_call_id",
    "workflow_id",
    "event",
    "__proto__",
    "",
];

/// Longest that a part is repeated to, in bytes.
const MAX_REPEATED_BYTES: usize = 64 * 1024;

/// A JSON text to make others of, read once.
pub struct Sample(Node);

impl Sample {
    pub fn of(value: &Value) -> Self {
        Self(Node::of(value))
    }
}

/// A JSON text of the kind of `sample`, a few things of it changed; now and then it is
/// `sample` itself.
pub fn json(sample: &Sample, dice: &mut Dice) -> Vec<u8> {
    let mut tree = sample.0.clone();
    for _ in 0..dice.below(5) {
        // The members at the top decide whether it is an event at all.
        let at = if dice.percent(30) { 0 } else { dice.below(tree.count()) };
        tree.change(at, &sample.0, dice);
    }
    let style = Style::by_chance(dice);
    let mut text = String::new();
    tree.write(&style, dice, &mut text);
    let mut bytes = text.into_bytes();
    if dice.percent(12) {
        break_bytes(&mut bytes, dice);
    }
    bytes
}

/// A form of the kind of `sample`, whose names and values are given decoded.
pub fn form(sample: &[(String, String)], dice: &mut Dice) -> Vec<u8> {
    let mut pairs = sample.to_vec();
    for _ in 0..dice.below(5) {
        change_form(&mut pairs, dice);
    }
    let mut bytes = Vec::new();
    let escapes_all = dice.percent(10);
    for (name, value) in &pairs {
        if !bytes.is_empty() {
            bytes.push(b'&');
        }
        encode(name, escapes_all, &mut bytes);
        bytes.push(b'=');
        encode(value, escapes_all, &mut bytes);
    }
    if dice.percent(12) {
        break_bytes(&mut bytes, dice);
    }
    bytes
}

/// One odd text, or one of a length that some limit lies at.
pub fn text(dice: &mut Dice) -> String {
    match dice.below(12) {
        0 => "x".repeat(*dice.pick(&[50, 51, 64, 65, 128, 129, 255, 256, 300])),
        1 => "é".repeat(*dice.pick(&[50, 64, 128, 129, 255, 256])),
        2 => (0..dice.below(12)).map(|_| char::from((dice.below(95) + 32) as u8)).collect(),
        _ => (*dice.pick(&ODD_TEXTS)).to_owned(),
    }
}

fn change_form(pairs: &mut Vec<(String, String)>, dice: &mut Dice) {
    if pairs.is_empty() {
        return pairs.push((text(dice), text(dice)));
    }
    let at = dice.below(pairs.len());
    match dice.below(9) {
        0 => drop(pairs.remove(at)),
        1 => pairs.push(pairs[at].clone()),
        2 => pairs[at].0 = text(dice),
        3 => dice.shuffle(pairs),
        4 => {
            // Cut elsewhere: what was the name's end begins the value, or the other way.
            let whole = format!("{}{}", pairs[at].0, pairs[at].1);
            let cuts: Vec<usize> = whole.char_indices().map(|(cut, _)| cut).chain([whole.len()]).collect();
            let cut = *dice.pick(&cuts);
            pairs[at] = (whole[..cut].to_owned(), whole[cut..].to_owned());
        }
        5 => {
            let other = dice.below(pairs.len());
            pairs[at].1 = pairs[other].1.clone();
        }
        _ => pairs[at].1 = text(dice),
    }
}

fn encode(text: &str, escapes_all: bool, to: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' if !escapes_all => to.push(byte),
            b' ' if !escapes_all => to.push(b'+'),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                to.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
    }
}

/// Cuts, flips, inserts, doubles: what is left is mostly no JSON.
pub fn break_bytes(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    match dice.below(8) {
        0 => bytes.truncate(at),
        1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        2 => bytes.insert(at, dice.bits() as u8),
        3 => {
            let end = (at + dice.below(40)).min(bytes.len());
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        4 => {
            let end = (at + dice.below(40)).min(bytes.len());
            bytes.drain(at..end);
        }
        5 => drop(bytes.splice(0..0, *b"\xef\xbb\xbf")),
        6 => bytes.extend_from_slice(dice.pick::<&[u8]>(&[b" ", b"x", b"{}", b"\0", b"\xff", b",", b"&CallSid=CA1"])),
        _ => *bytes = bytes.iter().flat_map(|byte| [*byte, 0]).collect(),
    }
}

/// JSON whose numbers and keys are kept as text, a key perhaps twice.
#[derive(Debug, Clone)]
enum Node {
    /// Written as it is.
    Plain(String),
    Text(String),
    List(Vec<Node>),
    Members(Vec<(String, Node)>),
}

impl Node {
    fn of(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Object(members) => {
                Self::Members(members.iter().map(|(key, value)| (key.clone(), Self::of(value))).collect())
            }
            other => Self::Plain(other.to_string()),
        }
    }

    /// Itself and everything within.
    fn count(&self) -> usize {
        1 + match self {
            Self::List(items) => items.iter().map(Self::count).sum(),
            Self::Members(members) => members.iter().map(|(_, value)| value.count()).sum(),
            Self::Plain(_) | Self::Text(_) => 0,
        }
    }

    /// The node at a place in the order in which they are written.
    fn at(&self, at: usize) -> &Self {
        let mut left = at;
        let within: Box<dyn Iterator<Item = &Self>> = match self {
            _ if at == 0 => return self,
            Self::List(items) => Box::new(items.iter()),
            Self::Members(members) => Box::new(members.iter().map(|(_, value)| value)),
            Self::Plain(_) | Self::Text(_) => return self,
        };
        left -= 1;
        for node in within {
            let count = node.count();
            if left < count {
                return node.at(left);
            }
            left -= count;
        }
        self
    }

    fn change(&mut self, at: usize, whole: &Self, dice: &mut Dice) {
        if at == 0 {
            return self.change_here(whole, dice);
        }
        let mut left = at - 1;
        let within: Box<dyn Iterator<Item = &mut Self>> = match self {
            Self::List(items) => Box::new(items.iter_mut()),
            Self::Members(members) => Box::new(members.iter_mut().map(|(_, value)| value)),
            Self::Plain(_) | Self::Text(_) => return,
        };
        for node in within {
            let count = node.count();
            if left < count {
                return node.change(left, whole, dice);
            }
            left -= count;
        }
    }

    fn change_here(&mut self, whole: &Self, dice: &mut Dice) {
        match self {
            Self::Members(members) if !members.is_empty() && dice.percent(70) => change_members(members, whole, dice),
            Self::List(items) if dice.percent(50) => {
                let item = items.first().cloned().unwrap_or(Self::Plain("1".to_owned()));
                let most = MAX_REPEATED_BYTES / (8 * item.count());
                *items = vec![item; dice.below(most.clamp(1, 2_000))];
            }
            _ => *self = other(self, whole, dice),
        }
    }

    fn write(&self, style: &Style, dice: &mut Dice, to: &mut String) {
        match self {
            Self::Plain(text) => to.push_str(text),
            Self::Text(text) => style.write_text(text, to),
            Self::List(items) => {
                to.push('[');
                for (position, item) in items.iter().enumerate() {
                    to.push_str(if position > 0 { "," } else { "" });
                    style.blank(dice, to);
                    item.write(style, dice, to);
                }
                to.push(']');
            }
            Self::Members(members) => {
                to.push('{');
                for (position, (key, value)) in members.iter().enumerate() {
                    to.push_str(if position > 0 { "," } else { "" });
                    style.blank(dice, to);
                    style.write_text(key, to);
                    to.push(':');
                    style.blank(dice, to);
                    value.write(style, dice, to);
                }
                to.push('}');
            }
        }
    }
}

fn change_members(members: &mut Vec<(String, Node)>, whole: &Node, dice: &mut Dice) {
    let at = dice.below(members.len());
    match dice.below(10) {
        0 => drop(members.remove(at)),
        1 => {
            let again = (members[at].0.clone(), other(&members[at].1, whole, dice));
            members.push(again);
        }
        2 => members[at].0 = (*dice.pick(&KEYS)).to_owned(),
        3 => members.push((text(dice), other(&Node::Plain("1".to_owned()), whole, dice))),
        4 => members.push(((*dice.pick(&KEYS)).to_owned(), other(&members[at].1, whole, dice))),
        5 => members.push(((*dice.pick(&KEYS[..3])).to_owned(), Node::Text(text(dice)))),
        6 => dice.shuffle(members),
        _ => members[at].1 = other(&members[at].1, whole, dice),
    }
}

/// Something in the place of a node.
fn other(node: &Node, whole: &Node, dice: &mut Dice) -> Node {
    match dice.below(14) {
        0..=3 => Node::Plain((*dice.pick(&ODD)).to_owned()),
        4..=7 => Node::Text(text(dice)),
        8 => Node::List(vec![node.clone()]),
        9 => Node::Members(vec![(text(dice), node.clone())]),
        10 => {
            let mut json = String::new();
            node.write(&Style::default(), dice, &mut json);
            Node::Text(json)
        }
        11 => whole.at(dice.below(whole.count())).clone(),
        12 => {
            let levels = *dice.pick(&[60, 99, 100, 101, 124, 126, 127, 128, 300]);
            Node::Plain(format!("{}{}", "[".repeat(levels), "]".repeat(levels)))
        }
        // A number in quotes, or what was in quotes as it stands.
        _ => match node {
            Node::Plain(text) => Node::Text(text.clone()),
            Node::Text(text) => Node::Plain(text.clone()),
            other => other.clone(),
        },
    }
}

/// How a text is written: nothing of it changes what it says.
#[derive(Debug, Default)]
struct Style {
    blanks: bool,
    escapes_all: bool,
}

impl Style {
    fn by_chance(dice: &mut Dice) -> Self {
        Self { blanks: dice.percent(10), escapes_all: dice.percent(10) }
    }

    fn blank(&self, dice: &mut Dice, to: &mut String) {
        if self.blanks {
            to.push_str(dice.pick::<&str>(&["", " ", "\n", "\t ", "\r\n"]));
        }
    }

    fn write_text(&self, text: &str, to: &mut String) {
        if !self.escapes_all {
            return to.push_str(&Value::from(text).to_string());
        }
        to.push('"');
        for unit in text.encode_utf16() {
            let _ = write!(to, "\\u{unit:04x}");
        }
        to.push('"');
    }
}
