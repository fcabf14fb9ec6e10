//! Lead analyses: asked for by events, made by providers, folded per contact.

mod complete;
mod isolation;
mod openai;
mod providers;
mod requalify;
mod support;
