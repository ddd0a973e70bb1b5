//! Histories of calls that were made at the same time: could the plugin have answered them one after
//! the other?
//!
//! A history is linearizable (Herlihy and Wing 1990) if its calls can be put into an order in which
//! each takes effect between its request and its answer, and in which every answer is one that the
//! reference [`model`](crate::model) allows. [`check`] looks for such an order: the search of Wing and
//! Gong (1993) with the memory of Lowe (2017), over the states of the same model that judges calls made
//! one after the other. It gives up after a number of states, and says so: [`Outcome::Undecided`] is
//! never a pass.
//!
//! Why no checker from elsewhere: `stateright::semantics::LinearizabilityTester`, the one that is
//! maintained in Rust, tries all orders without remembering where it has been and without a bound, so
//! that it may never come back and cannot say "not decided"; it completes a call whose answer never came
//! with one return value that the specification computes, where a plugin here may choose; and it answers
//! yes or no, without the place where no order goes on, which is what a reader wants to know.
//!
//! Each volume is judged by itself ([`of_volume`]): linearizability is local, so that nothing is missed.
//! A List counts as one look at each volume, since nobody asks that it be a snapshot of all of them.

mod counterexample;
mod drawing;
mod history;
mod perform;
mod rounds;
mod search;
mod shorten;

#[cfg(test)]
mod tests;

pub use counterexample::{Bar, Counterexample};
pub(crate) use drawing::events;
pub use history::{Operation, of_volume};
pub(crate) use perform::{Clients, Performed, one_after_the_other, start};
pub use rounds::Round;
pub(crate) use rounds::{calibration, round};
pub use search::{Outcome, STATES, Stuck, check};
pub use shorten::shortest;
