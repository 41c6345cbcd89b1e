//! Whether a new version of a package may replace an old one.

use std::sync::Arc;

use floe_move_vm::{
    Module, Package,
    module::{
        DatatypeHandle, Field, Function, FunctionHandle, Layout, SignatureIndex, SignatureToken,
        Visibility,
    },
};

/// What the owner of an upgrade capability allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// Anything that keeps existing callers and stored objects working.
    Compatible,
    /// New modules, types and functions; nothing that exists changes.
    Additive,
    /// Other dependencies only; the code stays.
    DependencyOnly,
}

impl Policy {
    /// The policy with this number in `0x2::package`.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        [Self::Compatible, Self::Additive, Self::DependencyOnly]
            .into_iter()
            .find(|policy| policy.number() == number)
    }

    /// Its number in `0x2::package`.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Compatible => 0,
            Self::Additive => 128,
            Self::DependencyOnly => 192,
        }
    }
}

/// Whether `new` may replace `old` under `policy`.
pub(super) fn check(old: &Package, new: &[Arc<Module>], policy: Policy) -> bool {
    let same_count = policy != Policy::DependencyOnly || new.len() == old.modules().len();
    let replaced = |before: &Arc<Module>| {
        let after = new.iter().find(|after| after.name() == before.name());
        after.is_some_and(|after| Pair { before, after }.compatible(policy))
    };
    same_count && old.modules().values().all(replaced)
}

/// Two versions of one module. Their tables differ, so types are compared by what they name.
struct Pair<'a> {
    before: &'a Module,
    after: &'a Module,
}

impl Pair<'_> {
    fn compatible(&self, policy: Policy) -> bool {
        let datatypes = self.before.datatypes().all(|(handle, layout)| {
            let new = self.after.datatype_named(&handle.name);
            new.is_some_and(|(new, new_layout)| {
                self.same_datatype((handle, layout), (new, new_layout))
            })
        });
        let functions = self.before.functions().all(|(_, handle, function)| {
            let must_stay =
                policy != Policy::Compatible || function.visibility == Visibility::Public;
            !must_stay || self.function_stays(handle, function)
        });
        let counts = |module: &Module| (module.datatypes().count(), module.functions().count());
        datatypes
            && functions
            && (policy != Policy::DependencyOnly || counts(self.before) == counts(self.after))
    }

    /// Layout, abilities and type parameters of a stored type never change.
    fn same_datatype(
        &self,
        old: (&DatatypeHandle, &Layout),
        new: (&DatatypeHandle, &Layout),
    ) -> bool {
        let layouts = match (old.1, new.1) {
            (Layout::Struct(old), Layout::Struct(new)) => self.same_fields(old, new),
            (Layout::Enum(old), Layout::Enum(new)) => {
                old.len() == new.len()
                    && old.iter().zip(new).all(|(old, new)| {
                        old.name == new.name && self.same_fields(&old.fields, &new.fields)
                    })
            }
            _ => false,
        };
        layouts
            && old.0.abilities == new.0.abilities
            && old.0.type_parameters == new.0.type_parameters
    }

    fn same_fields(&self, old: &[Field], new: &[Field]) -> bool {
        old.len() == new.len()
            && old
                .iter()
                .zip(new)
                .all(|(old, new)| old.name == new.name && self.same_type(&old.kind, &new.kind))
    }

    fn function_stays(&self, old: &FunctionHandle, function: &Function) -> bool {
        let index = self.after.function_named(&old.name);
        let Some(new_function) = index.and_then(|index| self.after.function(index)) else {
            return false;
        };
        let Some(new) = self.after.function_handle(new_function.handle) else {
            return false;
        };
        old.type_parameters == new.type_parameters
            && self.same_signature(old.parameters, new.parameters)
            && self.same_signature(old.returns, new.returns)
            && (function.visibility != Visibility::Public
                || new_function.visibility == Visibility::Public)
    }

    fn same_signature(&self, old: SignatureIndex, new: SignatureIndex) -> bool {
        let (Some(old), Some(new)) = (self.before.signature(old), self.after.signature(new)) else {
            return false;
        };
        self.same_types(old, new)
    }

    fn same_types(&self, old: &[SignatureToken], new: &[SignatureToken]) -> bool {
        old.len() == new.len()
            && old
                .iter()
                .zip(new)
                .all(|(old, new)| self.same_type(old, new))
    }

    fn same_type(&self, old: &SignatureToken, new: &SignatureToken) -> bool {
        use SignatureToken as T;
        match (old, new) {
            (T::Vector(old), T::Vector(new))
            | (T::Reference(old), T::Reference(new))
            | (T::MutableReference(old), T::MutableReference(new)) => self.same_type(old, new),
            (T::Datatype(old, old_arguments), T::Datatype(new, new_arguments)) => {
                let old = self.before.datatype_handle(*old).and_then(|handle| {
                    Some((&handle.name, self.before.module_handle(handle.module)?))
                });
                let new = self.after.datatype_handle(*new).and_then(|handle| {
                    Some((&handle.name, self.after.module_handle(handle.module)?))
                });
                old.is_some() && old == new && self.same_types(old_arguments, new_arguments)
            }
            (T::Vector(_) | T::Reference(_) | T::MutableReference(_) | T::Datatype(..), _) => false,
            (old, new) => old == new,
        }
    }
}
