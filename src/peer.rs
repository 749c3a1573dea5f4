//! Two watchdogs: who of them tells, and what each must know of the other's work.
//!
//! `decide` says who leads and when a message may go (pure; time is an argument), `ledger` keeps what the other has not heard
//! yet, `core` puts both together, `confirm` holds the findings of two places against each other, `link` asks the other. Whoever
//! owns the incidents (`dispatch`) owns the core: there are no locks here. What holds is written in docs/peers.md.

pub mod config;
pub mod confirm;
pub mod core;
pub mod decide;
pub mod ledger;
pub mod link;
pub mod wire;

pub use self::{
    config::PeerConfig,
    confirm::Confirm,
    core::{Core, News},
    wire::{Item, Role, Say},
};
