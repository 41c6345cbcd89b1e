//! Positions in a module's tables, one type per table.

macro_rules! indices {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) u16);

        impl $name {
            /// The position.
            pub fn get(self) -> usize {
                self.0.into()
            }
        }
    )*};
}

indices! {
    /// Position in [`Module::module_handles`](super::Module).
    ModuleHandleIndex;
    /// Position in the table of structs and enums that a module names.
    DatatypeHandleIndex;
    /// Position in the table of functions that a module names.
    FunctionHandleIndex;
    /// Position in the table of generic calls.
    FunctionInstantiationIndex;
    /// Position in the table of type lists.
    SignatureIndex;
    /// Position in the constant pool.
    ConstantIndex;
    /// Position of a function among a module's own.
    FunctionIndex;
}
