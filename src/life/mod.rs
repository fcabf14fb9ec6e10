//! How a process begins and ends: what it tells the service manager, which
//! signals stop it, and whether its loops still turn.

pub mod notify;
pub mod signals;
pub mod watchdog;
