//! The shipped program, as an installer, a script and systemd meet it. There is no radio and no gateway here.

mod control;
mod house;
mod systemd;
mod units;
