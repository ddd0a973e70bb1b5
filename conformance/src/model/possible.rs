//! The states that a plugin may be in where not every reply came.

use std::collections::{BTreeMap, BTreeSet};

use super::{Call, Habits, Id, Invariant, Model, Reply, Violation, Volume};

/// A set of models: the plugin is as one of them says. Never empty.
///
/// What it says of a volume is what all of them say, unless a method's name says that it *may* be so.
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

    /// The plugin was stopped or killed and started again.
    pub fn restart(&mut self) {
        for model in &mut self.0 {
            *model = std::mem::take(model).restart();
        }
    }

    /// A reply came: the states in which it is illegal are ruled out.
    ///
    /// # Errors
    /// The violation in the first state, if it is illegal in all of them. The states stay.
    pub fn step(&mut self, call: &Call, reply: &Reply) -> Result<(), Violation> {
        // Nearly always there is one, which need not be copied.
        if let [only] = self.0.as_mut_slice() {
            return only.advance(call, reply);
        }
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
        let carried_out = self.0.iter().filter_map(|model| model.carried_out(call));
        let carried_out: Vec<Model> = carried_out.collect();
        self.or(Self(carried_out));
    }

    /// What was learnt about the plugin.
    #[must_use]
    pub fn habits(&self) -> Habits {
        let all = self.0.iter().map(Model::habits).copied();
        all.reduce(Habits::agreed).unwrap_or_default()
    }

    /// What is broken where a hold of the volume `name` turns out to be lost.
    #[must_use]
    pub fn lost_hold(&self, name: &str) -> Invariant {
        let first = self.0.first().map(|model| model.lost_hold(name));
        first.unwrap_or(Invariant::HoldsKept)
    }

    /// What is broken where the volume `name` turns out to be held by nobody.
    #[must_use]
    pub fn leaked_hold(&self, name: &str) -> Invariant {
        let first = self.0.first().map(|model| model.leaked_hold(name));
        first.unwrap_or(Invariant::Released)
    }

    /// Whether there is a volume called `name`.
    #[must_use]
    pub fn exists(&self, name: &str) -> bool {
        self.0.iter().all(|model| model.volume(name).is_some())
    }

    /// Whether there may be one.
    #[must_use]
    pub fn may_exist(&self, name: &str) -> bool {
        self.may_be(name).next().is_some()
    }

    /// Whether somebody may hold the volume `name`.
    #[must_use]
    pub fn may_be_held(&self, name: &str) -> bool {
        self.may_be(name).any(Volume::is_held)
    }

    /// How many holds the volume `name` has at least.
    #[must_use]
    pub fn holds(&self, name: &str) -> usize {
        let holds = |model: &Model| {
            let volume = model.volume(name);
            volume.map_or(0, |volume| volume.holders().count())
        };
        self.0.iter().map(holds).min().unwrap_or(0)
    }

    /// The IDs that may hold the volume `name`, each as often as it may.
    #[must_use]
    pub fn may_hold(&self, name: &str) -> Vec<Id> {
        let mut most: BTreeMap<&Id, usize> = BTreeMap::new();
        for volume in self.may_be(name) {
            for id in volume.holders() {
                let count = volume.holders().filter(|other| *other == id).count();
                let known = most.entry(id).or_default();
                *known = count.max(*known);
            }
        }
        let each = most.into_iter();
        each.flat_map(|(id, count)| std::iter::repeat_n(Id::clone(id), count))
            .collect()
    }

    /// Where the volume `name` is mounted, as far as Mount has told.
    #[must_use]
    pub fn mountpoints(&self, name: &str) -> Vec<&str> {
        let Some((first, others)) = self.0.split_first() else {
            return Vec::new();
        };
        let here = first.volume(name).into_iter().flat_map(Volume::mountpoints);
        let everywhere = |path: &&str| {
            others.iter().all(|model| {
                let volume = model.volume(name);
                volume.is_some_and(|volume| volume.mountpoints().any(|other| other == *path))
            })
        };
        here.filter(everywhere).collect()
    }

    /// Where it may be mounted, as far as Mount has told.
    #[must_use]
    pub fn may_be_mounted_at(&self, name: &str) -> Vec<String> {
        let all = self.may_be(name).flat_map(Volume::mountpoints);
        let all: BTreeSet<&str> = all.collect();
        all.into_iter().map(str::to_owned).collect()
    }

    fn may_be<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Volume> {
        self.0.iter().filter_map(|model| model.volume(name))
    }
}
