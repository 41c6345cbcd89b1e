//! Runtime types. Their size is bounded at construction, so no recursion over one runs deep and no
//! instantiation grows without end.

use std::{fmt, sync::Arc};

use sui_sdk_types::{Address, Identifier, StructTag, TypeTag};

/// Most nodes a type may have. Sui allows 128 in an instantiation; a reference adds one.
pub const MAX_TYPE_NODES: u32 = 256;

/// A type, closed or with [`Type::Parameter`]s. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `bool`
    Bool,
    /// `u8`
    U8,
    /// `u16`
    U16,
    /// `u32`
    U32,
    /// `u64`
    U64,
    /// `u128`
    U128,
    /// `u256`
    U256,
    /// `address`
    Address,
    /// `signer`, which no Sui function takes.
    Signer,
    /// `vector<T>`
    Vector(Arc<Type>),
    /// `&T`
    Reference(Arc<Type>),
    /// `&mut T`
    MutableReference(Arc<Type>),
    /// A struct or enum.
    Datatype(Arc<DatatypeInstance>),
    /// The type parameter with this position.
    Parameter(u16),
}

/// Which struct or enum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DatatypeName {
    /// Storage id of the package version that introduced the type: what type tags carry.
    pub defining: Address,
    /// Id of the first version of its package: what bytecode carries.
    pub original: Address,
    /// Its module.
    pub module: Identifier,
    /// Its name.
    pub name: Identifier,
}

/// A struct or enum with its type arguments.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct DatatypeInstance {
    name: Arc<DatatypeName>,
    arguments: Vec<Type>,
    nodes: u32,
    open: bool,
}

impl DatatypeInstance {
    /// Which struct or enum.
    pub fn name(&self) -> &Arc<DatatypeName> {
        &self.name
    }

    /// Its type arguments.
    pub fn arguments(&self) -> &[Type] {
        &self.arguments
    }
}

/// Why a type cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypeError {
    /// More than [`MAX_TYPE_NODES`] nodes.
    #[error("type of {nodes} nodes, at most {MAX_TYPE_NODES} are allowed")]
    TooLarge {
        /// Nodes it would have.
        nodes: u32,
    },
    /// A type parameter without an argument.
    #[error("type parameter {index} of {count}")]
    Parameter {
        /// Position of the parameter.
        index: u16,
        /// Arguments given.
        count: usize,
    },
    /// A type without a tag: a reference, a signer of its own or a parameter.
    #[error("{0} has no tag")]
    NoTag(Type),
}

impl Type {
    /// `vector<element>`
    pub fn vector(element: Self) -> Result<Self, TypeError> {
        limited(element.nodes() + 1)?;
        Ok(Self::Vector(Arc::new(element)))
    }

    /// `&target`, or `&mut target`.
    pub fn reference(target: Self, mutable: bool) -> Result<Self, TypeError> {
        limited(target.nodes() + 1)?;
        let target = Arc::new(target);
        Ok(if mutable {
            Self::MutableReference(target)
        } else {
            Self::Reference(target)
        })
    }

    /// `name<arguments>`
    pub fn datatype(name: Arc<DatatypeName>, arguments: Vec<Self>) -> Result<Self, TypeError> {
        let nodes = arguments
            .iter()
            .fold(1_u32, |sum, argument| sum.saturating_add(argument.nodes()));
        limited(nodes)?;
        let open = arguments.iter().any(Self::is_open);
        Ok(Self::Datatype(Arc::new(DatatypeInstance {
            name,
            arguments,
            nodes,
            open,
        })))
    }

    /// Number of nodes of the tree, at most [`MAX_TYPE_NODES`].
    pub fn nodes(&self) -> u32 {
        match self {
            Self::Vector(inner) | Self::Reference(inner) | Self::MutableReference(inner) => {
                inner.nodes() + 1
            }
            Self::Datatype(instance) => instance.nodes,
            _ => 1,
        }
    }

    /// Whether a type parameter occurs in it.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Vector(inner) | Self::Reference(inner) | Self::MutableReference(inner) => {
                inner.is_open()
            }
            Self::Datatype(instance) => instance.open,
            Self::Parameter(_) => true,
            _ => false,
        }
    }

    /// This type with its parameters replaced.
    pub fn substitute(&self, arguments: &[Self]) -> Result<Self, TypeError> {
        if !self.is_open() {
            return Ok(self.clone());
        }
        match self {
            Self::Parameter(index) => {
                arguments
                    .get(usize::from(*index))
                    .cloned()
                    .ok_or(TypeError::Parameter {
                        index: *index,
                        count: arguments.len(),
                    })
            }
            Self::Vector(inner) => Self::vector(inner.substitute(arguments)?),
            Self::Reference(inner) => Self::reference(inner.substitute(arguments)?, false),
            Self::MutableReference(inner) => Self::reference(inner.substitute(arguments)?, true),
            Self::Datatype(instance) => {
                let replaced = instance
                    .arguments
                    .iter()
                    .map(|argument| argument.substitute(arguments))
                    .collect::<Result<_, _>>()?;
                Self::datatype(instance.name.clone(), replaced)
            }
            closed => Ok(closed.clone()),
        }
    }

    /// The tag, which names packages by defining id.
    pub fn tag(&self) -> Result<TypeTag, TypeError> {
        self.tag_with(|name| name.defining)
    }

    /// The tag that names packages by original id, as `type_name::with_original_ids` does.
    pub fn original_tag(&self) -> Result<TypeTag, TypeError> {
        self.tag_with(|name| name.original)
    }

    /// The tag of a struct or enum, by defining id.
    pub fn struct_tag(&self) -> Result<StructTag, TypeError> {
        match self.tag()? {
            TypeTag::Struct(tag) => Ok(*tag),
            _ => Err(TypeError::NoTag(self.clone())),
        }
    }

    fn tag_with(&self, package: fn(&DatatypeName) -> Address) -> Result<TypeTag, TypeError> {
        Ok(match self {
            Self::Bool => TypeTag::Bool,
            Self::U8 => TypeTag::U8,
            Self::U16 => TypeTag::U16,
            Self::U32 => TypeTag::U32,
            Self::U64 => TypeTag::U64,
            Self::U128 => TypeTag::U128,
            Self::U256 => TypeTag::U256,
            Self::Address => TypeTag::Address,
            Self::Signer => TypeTag::Signer,
            Self::Vector(inner) => TypeTag::Vector(Box::new(inner.tag_with(package)?)),
            Self::Datatype(instance) => {
                let DatatypeInstance {
                    name, arguments, ..
                } = &**instance;
                let arguments = arguments
                    .iter()
                    .map(|argument| argument.tag_with(package))
                    .collect::<Result<_, _>>()?;
                TypeTag::Struct(Box::new(StructTag::new(
                    package(name),
                    name.module.clone(),
                    name.name.clone(),
                    arguments,
                )))
            }
            Self::Reference(_) | Self::MutableReference(_) | Self::Parameter(_) => {
                return Err(TypeError::NoTag(self.clone()));
            }
        })
    }

    /// Whether this is the struct or enum `module::name` of this (first version of a) package.
    pub fn is(&self, original: Address, module: &str, name: &str) -> bool {
        match self {
            Self::Datatype(instance) => {
                let of = &instance.name;
                of.original == original && of.module.as_str() == module && of.name.as_str() == name
            }
            _ => false,
        }
    }
}

fn limited(nodes: u32) -> Result<(), TypeError> {
    if nodes > MAX_TYPE_NODES {
        return Err(TypeError::TooLarge { nodes });
    }
    Ok(())
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::U8 => f.write_str("u8"),
            Self::U16 => f.write_str("u16"),
            Self::U32 => f.write_str("u32"),
            Self::U64 => f.write_str("u64"),
            Self::U128 => f.write_str("u128"),
            Self::U256 => f.write_str("u256"),
            Self::Address => f.write_str("address"),
            Self::Signer => f.write_str("signer"),
            Self::Vector(inner) => write!(f, "vector<{inner}>"),
            Self::Reference(inner) => write!(f, "&{inner}"),
            Self::MutableReference(inner) => write!(f, "&mut {inner}"),
            Self::Parameter(index) => write!(f, "T{index}"),
            Self::Datatype(instance) => {
                let name = &instance.name;
                write!(f, "{}::{}::{}", name.defining, name.module, name.name)?;
                for (index, argument) in instance.arguments.iter().enumerate() {
                    f.write_str(if index == 0 { "<" } else { ", " })?;
                    write!(f, "{argument}")?;
                }
                if instance.arguments.is_empty() {
                    Ok(())
                } else {
                    f.write_str(">")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(left: Type, right: Type) -> Result<Type, TypeError> {
        let name = DatatypeName {
            defining: Address::TWO,
            original: Address::TWO,
            module: Identifier::from_static("m"),
            name: Identifier::from_static("Pair"),
        };
        Type::datatype(Arc::new(name), vec![left, right])
    }

    #[test]
    fn doubling_types_stop_at_the_bound() {
        let mut grown = Type::U64;
        let error = loop {
            match pair(grown.clone(), grown) {
                Ok(larger) => grown = larger,
                Err(error) => break error,
            }
        };
        assert_eq!(error, TypeError::TooLarge { nodes: 511 });
    }

    #[test]
    fn parameters_are_replaced_everywhere() {
        let open = pair(
            Type::Parameter(1),
            Type::vector(Type::Parameter(0)).unwrap(),
        )
        .unwrap();
        let closed = open.substitute(&[Type::U8, Type::Bool]).unwrap();
        assert_eq!(
            closed.to_string(),
            format!("{}::m::Pair<bool, vector<u8>>", Address::TWO)
        );
        assert_eq!(
            open.substitute(&[Type::U8]),
            Err(TypeError::Parameter { index: 1, count: 1 })
        );
    }
}
