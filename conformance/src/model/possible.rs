//! The states that a plugin may be in where not every reply came.

use super::{Call, Model, Reply, Violation};

/// A set of models: the plugin is as one of them says. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Possible(Vec<Model>);

impl From<Model> for Possible {
    fn from(model: Model) -> Self {
        Self(vec![model])
    }
}

impl Possible {
    /// The states.
    #[must_use]
    pub fn states(&self) -> &[Model] {
        &self.0
    }

    /// Also possible from now on.
    pub fn or(&mut self, other: Self) {
        for model in other.0 {
            if !self.0.contains(&model) {
                self.0.push(model);
            }
        }
    }

    /// The same change in all states.
    #[must_use]
    pub fn map(self, change: impl FnMut(Model) -> Model) -> Self {
        Self(self.0.into_iter().map(change).collect())
    }

    /// A reply came: the states in which it is illegal are ruled out.
    ///
    /// # Errors
    /// The violation in the first state, if it is illegal in all of them. The states stay.
    pub fn step(&mut self, call: &Call, reply: &Reply) -> Result<(), Violation> {
        let mut violation = None;
        let mut next: Vec<Model> = Vec::new();
        for model in &self.0 {
            match model.step(call, reply) {
                Ok(model) if !next.contains(&model) => next.push(model),
                Ok(_) => {}
                Err(broken) => violation = violation.or(Some(broken)),
            }
        }
        match violation {
            Some(violation) if next.is_empty() => Err(violation),
            _ => {
                self.0 = next;
                Ok(())
            }
        }
    }

    /// No reply came: the call was carried out, or it was not.
    pub fn unanswered(&mut self, call: &Call) {
        let carried_out = self.0.iter().filter_map(|model| {
            // Where it is mounted then is not known: the next Mount tells.
            let reply = match call {
                Call::Create { .. } | Call::Unmount(..) | Call::Remove(_) => Reply::Done,
                Call::Mount(name, _) => {
                    let known = model.volume(name)?.mountpoints().next();
                    Reply::Mountpoint(known.unwrap_or("/").to_owned())
                }
                Call::Activate | Call::Get(_) | Call::List | Call::Path(_) => return None,
            };
            model.step(call, &reply).ok()
        });
        let carried_out: Vec<Model> = carried_out.collect();
        self.or(Self(carried_out));
    }
}
