//! The shipped program, as an installer, a script and systemd meet it. There is no radio and no gateway here.

mod bundle;
mod control;
mod doctor;
mod house;
mod systemd;
mod units;
