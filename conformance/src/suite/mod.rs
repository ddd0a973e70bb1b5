//! The parts that cases are made of.
//!
//! A [`Case`] is a constant: a rule, its reason and a function. The function gets a [`Cx`], calls
//! the plugin through it, and ends with `Ok(())` or a [`Halt`]: a [`Finding`], or a reason why
//! nothing can be said. Cases never print and never clean up: what they made is in the context's
//! ledger, and the runner takes it back whatever happens.

mod answer;
mod case;
mod context;
mod exchange;
mod finding;
pub(crate) mod ledger;
mod lint;
mod naming;
mod token;

pub use answer::Answer;
pub use case::{Case, CaseFuture, Harm, Level, Mode, Need};
pub use context::{Cx, EngineCall, is_root};
pub use exchange::{Exchange, RecordedRequest, RecordedResponse};
pub use finding::{CaseResult, Finding, Halt, ensure};
pub use ledger::Ledger;
pub use lint::{Lint, LintHit, Lints};
pub use naming::{NameMaker, Naming};
pub use token::Token;
