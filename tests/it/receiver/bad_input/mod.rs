//! Every row of the list of bad inputs that a receiver must get right, each with all
//! its variants: what is answered over real HTTP, what is counted, and what is in the
//! database then, after the processing where a row speaks of it. The number in a
//! test's name is that of the row.

mod authentication;
mod contents;
mod fields;
mod http;
mod json;
mod order;
mod pipeline;
mod trouble;
mod twilio;
mod watched;
