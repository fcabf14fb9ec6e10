//! The offline scorer, by table.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tallyline_model::{LeadAnalysis, Scales, rules};

const SMALL: Scales = Scales { total: 15, dimension: 3 };

fn said(words: &str) -> LeadAnalysis {
    rules::analyse(&format!("assistant: Hello, do you want a demo today?\nuser:  {words}\n"), SMALL).unwrap()
}

#[test]
fn phrases_give_scores_and_words() {
    for (words, want, levels) in [
        ("yes", [1, 1, 1, 1, 1], [None, None, None, None]),
        ("I am interested, how much is it?", [2, 1, 2, 1, 2], [Some("Medium"), None, Some("Maybe"), None]),
        ("We need this urgently", [3, 3, 1, 3, 1], [Some("High"), Some("High"), None, Some("High")]),
        ("I'm not interested", [1, 1, 1, 1, 1], [Some("Low"), None, None, None]),
        ("It is too expensive, how much for less", [1, 1, 1, 1, 1], [None, None, Some("No"), None]),
        ("Our budget is fixed, next month works", [1, 2, 3, 1, 1], [None, Some("Medium"), Some("Yes"), None]),
        ("we don't want that", [1, 1, 1, 1, 1], [None, None, None, None]),
        ("We are not looking for anything, wrong number", [1, 1, 1, 1, 1], [Some("Low"), None, None, Some("Low")]),
        ("not today but we want a price", [3, 1, 2, 1, 1], [Some("High"), None, Some("Maybe"), None]),
        ("it's no hurry", [1, 1, 1, 1, 1], [None, Some("Low"), None, None]),
    ] {
        let found = said(words);
        assert_eq!(found.scores(), want.map(Some), "{words}");
        let words_found = [&found.intent_level, &found.urgency_level, &found.budget_constraint, &found.fit_alignment];
        assert_eq!(words_found.map(|level| level.as_deref()), levels, "{words}");
        assert_eq!(found.total_score, Some(want.iter().sum()), "{words}");
    }
}

#[test]
fn tags_and_what_is_asked_for() {
    let hot = "user: We need this today, it is exactly what we were after. Our budget is fine. How much is it? Can I see a demo?\n\
               assistant: Yes\nuser: and please call me back with a sample, or let me talk to a person";
    let found = rules::analyse(hot, SMALL).unwrap();
    assert_eq!((found.total_score, found.lead_status_tag.as_deref()), (Some(15), Some("Hot")));
    let flags = [
        found.cta_pricing_clicked,
        found.cta_demo_clicked,
        found.cta_followup_clicked,
        found.cta_sample_clicked,
        found.cta_escalated_to_human,
    ];
    assert_eq!(flags, [true; 5]);
    assert_eq!(found.reasoning["urgency"], "heard: today");
    let refused = rules::analyse(&format!("{hot}\nuser: no, stop calling"), SMALL).unwrap();
    assert_eq!((refused.intent_score, refused.lead_status_tag.as_deref()), (Some(1), Some("Cold")));
    let none = said("no demo please, and no sample");
    assert_eq!([none.cta_demo_clicked, none.cta_sample_clicked], [false, false]);
}

#[test]
fn scores_go_with_the_scale() {
    let words = "user: I am interested, we need it today";
    for (scales, want, total) in [
        (SMALL, [3, 3, 1, 3, 1], 11),
        (Scales { total: 100, dimension: 20 }, [20, 20, 7, 20, 7], 74),
        (Scales { total: 100, dimension: 100 }, [100, 100, 33, 100, 33], 73),
        (Scales { total: 5, dimension: 1 }, [1, 1, 0, 1, 0], 3),
    ] {
        let found = rules::analyse(words, scales).unwrap();
        assert_eq!((found.scores(), found.total_score), (want.map(Some), Some(total)), "{scales:?}");
    }
}

#[test]
fn engagement_is_turns_words_and_questions() {
    let turns = |n: usize, words: &str| format!("user: {words}\nassistant: ok\n").repeat(n);
    for (transcript, want) in [
        (turns(1, "hello"), 1),
        (turns(3, "that is all right"), 2),
        (turns(1, "what is that then?"), 1),
        (turns(1, "what is that thing then?"), 2),
        (turns(5, "one two three four five six seven eight"), 3),
        (turns(2, "one two three four five six seven eight nine ten?"), 3),
    ] {
        assert_eq!(rules::analyse(&transcript, SMALL).unwrap().engagement_score, Some(want), "{transcript}");
    }
}

#[test]
fn people_are_found_only_where_they_say_so() {
    for (words, name, company, email) in [
        ("My name is Asha Rao, I work at Example Foods.", Some("Asha Rao"), Some("Example Foods"), None),
        ("This is Ravi speaking", Some("Ravi"), None, None),
        ("this is fine", None, None, None),
        ("my name is on the list", None, None, None),
        ("Write to Asha.Rao@Example.test.", None, None, Some("asha.rao@example.test")),
        ("my email is asha at example dot com", None, None, Some("asha@example.com")),
        ("meet me at noon dot", None, None, None),
        ("I am at example dot com", None, None, None),
        ("mail me @example", None, None, None),
    ] {
        let found = said(words);
        let person = (found.extracted_name.as_deref(), found.company_name.as_deref(), found.extracted_email.as_deref());
        assert_eq!(person, (name, company, email), "{words}");
    }
}

#[test]
fn only_the_customers_turns_count() {
    let agent = "assistant: We need to talk today, how much is your budget?\nMy name is Otto\nuser:  yes\n";
    let found = rules::analyse(agent, SMALL).unwrap();
    assert_eq!((found.scores(), found.extracted_name), ([1; 5].map(Some), None));
    let goes_on = "assistant: Hello\nuser: well\nwe need it\n";
    assert_eq!(rules::analyse(goes_on, SMALL).unwrap().intent_score, Some(3));
    for silent in ["", "assistant: Hello\n", "assistant: Hello\nuser:  \nuser: ...\n", "we need it"] {
        assert_eq!(rules::analyse(silent, SMALL), None, "{silent}");
    }
}
