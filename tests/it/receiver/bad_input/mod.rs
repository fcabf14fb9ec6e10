//! Bad inputs over real HTTP, numbered as in the list that they come from: each
//! says what is answered, what is counted, and what is in the database then.

mod authentication;
mod http;
mod trouble;
mod twilio;
mod watched;
