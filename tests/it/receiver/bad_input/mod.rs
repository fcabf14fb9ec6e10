//! Every row of the list of bad inputs that a receiver must get right, each with all
//! its variants: through HTTP, the inbox and the processing, to calls, charges and
//! roll-ups. The number in a test's name is that of the row.

mod contents;
mod fields;
mod json;
mod order;
mod pipeline;
