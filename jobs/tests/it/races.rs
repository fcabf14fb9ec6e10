//! The races in which incremental roll-ups are lost, one test each.
//!
//! A test plays one interleaving, exactly, with steps of its own: first with the
//! protocol as it is, which must end equal to the calls, then with the anchor
//! broken, which must end different from them. So it shows that the interleaving
//! would catch the fault, and no break has to be tried by hand.
//!
//! R1, R9, R10, R11, R19: changes and their marks. R2, R3, R4, R8, R12, R13:
//! workers. R5, R6, R7, R15, R18: what is remembered between two runs. R14, R16,
//! R17: readers, writers and tenants beside them.

mod by_hand;
mod cursors;
mod marks;
mod neighbours;
mod workers;
