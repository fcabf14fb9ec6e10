//! Every text of the style sheet can be read on every ground it may stand on.

use std::collections::BTreeMap;

const STYLE: &str = include_str!("style.css");
/// WCAG 2.2, level AA, for text of any size.
const LEAST: f64 = 4.5;

/// Texts, and the grounds they stand on. A row under the pointer is `accent-soft`.
const TEXTS: [(&str, &[&str]); 7] = [
    ("ink", &["page", "surface", "accent-soft"]),
    ("muted", &["page", "surface", "accent-soft"]),
    ("accent", &["page", "surface", "accent-soft"]),
    ("good", &["page", "surface", "accent-soft"]),
    ("bad", &["page", "surface", "accent-soft"]),
    ("warn-ink", &["page", "surface", "accent-soft", "warn-ground"]),
    // The chief button of a form.
    ("surface", &["accent"]),
];

/// Variables and their colours, of the light theme and of the dark one.
fn themes() -> [BTreeMap<&'static str, [u8; 3]>; 2] {
    let (light, rest) = STYLE.split_once("@media (prefers-color-scheme: dark)").unwrap();
    let (dark, _) = rest.split_once("*, *::before").unwrap();
    [light, dark].map(|block| {
        let declared = block.split([';', '{']).filter_map(|line| line.trim().strip_prefix("--")?.split_once(": #"));
        declared.map(|(name, hex)| (name, rgb(hex))).collect()
    })
}

fn rgb(hex: &str) -> [u8; 3] {
    let digits: Vec<u8> = hex.chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
    match digits[..] {
        [r, g, b] => [r * 17, g * 17, b * 17],
        [a, b, c, d, e, f] => [a * 16 + b, c * 16 + d, e * 16 + f],
        _ => panic!("#{hex}"),
    }
}

fn luminance(colour: [u8; 3]) -> f64 {
    let linear = colour.map(|c| match f64::from(c) / 255.0 {
        c if c <= 0.04045 => c / 12.92,
        c => ((c + 0.055) / 1.055).powf(2.4),
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn every_text_reaches_four_and_a_half_to_one_in_both_themes() {
    assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 1e-9);
    for (theme, name) in themes().iter().zip(["light", "dark"]) {
        for (text, grounds) in TEXTS {
            for ground in grounds {
                let found = contrast(theme[text], theme[ground]);
                assert!(found >= LEAST, "{name}: {text} on {ground} is {found:.2}:1");
            }
        }
        // The busiest hours of the week: a quarter of `answered` over a card.
        let mixed: Vec<u8> = (0..3)
            .map(|at| (f64::from(theme["answered"][at]) * 0.26 + f64::from(theme["surface"][at]) * 0.74) as u8)
            .collect();
        let found = contrast(theme["ink"], [mixed[0], mixed[1], mixed[2]]);
        assert!(found >= LEAST, "{name}: ink on the darkest hour is {found:.2}:1");
    }
}

/// A colour of text that nobody added to the list above.
#[test]
fn no_text_has_another_colour() {
    for declaration in STYLE.split([';', '{', '}']) {
        let Some(value) = declaration.trim().strip_prefix("color: ") else { continue };
        let name = value.strip_prefix("var(--").and_then(|rest| rest.strip_suffix(')'));
        let known = value == "inherit" || name.is_some_and(|name| TEXTS.iter().any(|(text, _)| *text == name));
        assert!(known, "color: {value}");
    }
}
