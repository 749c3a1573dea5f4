//! From kubeconfigs to a configuration: what a cluster is made by and where it keeps what a watchdog needs (`platform`), the
//! text of dogwatch.yml (`compose`), the rights that it asks for (`manifest`), what reports to it from inside (`reports`), and their
//! way into a cluster (`apply`).
//!
//! All but `apply` is pure. `apply` makes and changes nothing but the objects of the manifests that are part of the program,
//! each of which has been shown before; what is there already stays, save for the rules and subjects of our own roles.

pub mod apply;
pub mod compose;
pub mod manifest;
pub mod platform;
pub mod reports;

pub use self::{
    compose::{Draft, Guarded, Mail},
    platform::Platform,
    reports::Report,
};
