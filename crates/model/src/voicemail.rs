//! Telling a machine from a person by what the provider says about a call.

/// Phrases that a machine's greeting, or a provider's note about one, holds.
const MARKERS: [&str; 9] = [
    "voicemail",
    "voice mail",
    "answering machine",
    "mailbox",
    "after the beep",
    "at the tone",
    "leave your message",
    "record your message",
    "carrier greeting",
];

/// One marker is enough in a note: a reason, a status or a summary.
pub(crate) fn note_names_a_machine(note: &str) -> bool {
    markers_in(note) >= 1
}

/// A transcript needs two different markers, since people too say "voicemail".
pub(crate) fn transcript_is_a_machine(transcript: &str) -> bool {
    markers_in(transcript) >= 2
}

fn markers_in(text: &str) -> usize {
    // `voicemail_detected` and the like spell the space as an underscore.
    let text = text.to_lowercase().replace('_', " ");
    MARKERS.iter().filter(|marker| text.contains(*marker)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_need_one_marker_and_transcripts_two() {
        assert!(note_names_a_machine("voicemail_detected"));
        assert!(note_names_a_machine("Reached an Answering Machine"));
        assert!(!note_names_a_machine("Call recipient hungup"));
        let chat = "assistant: Hello\nuser:  I got your voicemail\n";
        let greeting = "user:  You have reached the mailbox of A. Leave your message at the tone.\n";
        assert!(!transcript_is_a_machine(chat));
        assert!(!transcript_is_a_machine("voicemail voicemail"));
        assert!(transcript_is_a_machine(greeting));
    }
}
