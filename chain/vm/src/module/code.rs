//! Instructions. Operands that name table entries are resolved while reading, so that the
//! interpreter sees only what it needs: field counts, offsets and tags.

use ruint::aliases::U256;

use super::{
    ConstantIndex, FunctionHandleIndex, FunctionInstantiationIndex, ParseError, SignatureIndex,
    definitions::Definitions, reader::Reader, tables::VERSION_WITH_ENUMS,
};

/// Most instructions in one function.
const MAX_INSTRUCTIONS: u32 = 65_535;
/// Most jump tables in one function, and most variants of an enum.
pub(super) const MAX_VARIANTS: u32 = 127;

/// One instruction.
///
/// Mutable and immutable borrows are one instruction, as are the generic and the plain forms of
/// everything but calls: at run time they do the same.
#[derive(Clone, Debug, PartialEq)]
pub enum Instruction {
    /// Drops the top of the stack.
    Pop,
    /// Returns to the caller.
    Return,
    /// Jumps if the top of the stack is true.
    BranchTrue(u16),
    /// Jumps if the top of the stack is false.
    BranchFalse(u16),
    /// Jumps.
    Branch(u16),
    /// Pushes a `bool`.
    LoadBool(bool),
    /// Pushes a `u8`.
    LoadU8(u8),
    /// Pushes a `u16`.
    LoadU16(u16),
    /// Pushes a `u32`.
    LoadU32(u32),
    /// Pushes a `u64`.
    LoadU64(u64),
    /// Pushes a `u128`.
    LoadU128(Box<u128>),
    /// Pushes a `u256`.
    LoadU256(Box<U256>),
    /// Pushes a constant.
    LoadConstant(ConstantIndex),
    /// Pushes a copy of a local.
    CopyLocal(u8),
    /// Pushes a local and empties it.
    MoveLocal(u8),
    /// Pops into a local.
    StoreLocal(u8),
    /// Pushes a reference to a local.
    BorrowLocal(u8),
    /// Turns a reference to a struct into one to its field.
    BorrowField(u16),
    /// Calls a function.
    Call(FunctionHandleIndex),
    /// Calls a generic function.
    CallGeneric(FunctionInstantiationIndex),
    /// Pops this many fields, pushes a struct.
    Pack(u16),
    /// Pops a struct of this many fields, pushes them.
    Unpack(u16),
    /// Replaces a reference by a copy of its target.
    ReadReference,
    /// Pops a reference and a value and stores the value at the reference.
    WriteReference,
    /// `a + b`
    Add,
    /// `a - b`
    Subtract,
    /// `a * b`
    Multiply,
    /// `a % b`
    Modulo,
    /// `a / b`
    Divide,
    /// `a | b`
    BitOr,
    /// `a & b`
    BitAnd,
    /// `a ^ b`
    Xor,
    /// `a << b`
    ShiftLeft,
    /// `a >> b`
    ShiftRight,
    /// `a || b`
    Or,
    /// `a && b`
    And,
    /// `!a`
    Not,
    /// `a == b`
    Equal,
    /// `a != b`
    NotEqual,
    /// `a < b`
    Less,
    /// `a > b`
    Greater,
    /// `a <= b`
    LessOrEqual,
    /// `a >= b`
    GreaterOrEqual,
    /// Pops a code and aborts with it.
    Abort,
    /// Nothing. Also stands for the freezing of a reference.
    Nop,
    /// Conversion to `u8`.
    CastU8,
    /// Conversion to `u16`.
    CastU16,
    /// Conversion to `u32`.
    CastU32,
    /// Conversion to `u64`.
    CastU64,
    /// Conversion to `u128`.
    CastU128,
    /// Conversion to `u256`.
    CastU256,
    /// Pops this many elements of this type, pushes a vector.
    VectorPack(SignatureIndex, u16),
    /// Length behind a reference to a vector.
    VectorLength,
    /// Turns a reference to a vector and an index into a reference to the element.
    VectorBorrow,
    /// Appends to the vector behind a reference.
    VectorPushBack,
    /// Removes the last element of the vector behind a reference.
    VectorPopBack,
    /// Pops a vector of this many elements, pushes them.
    VectorUnpack(u16),
    /// Exchanges two elements of the vector behind a reference.
    VectorSwap,
    /// Pops the fields of a variant with this tag, pushes the enum.
    PackVariant {
        /// The variant's tag.
        tag: u16,
        /// Its fields.
        fields: u16,
    },
    /// Pops an enum that must have this tag, pushes its fields.
    UnpackVariant {
        /// The variant's tag.
        tag: u16,
        /// Its fields.
        fields: u16,
    },
    /// Pops a reference to an enum that must have this tag, pushes references to its fields.
    UnpackVariantReference {
        /// The variant's tag.
        tag: u16,
        /// Its fields.
        fields: u16,
    },
    /// Pops a reference to an enum and jumps by its tag.
    VariantSwitch(u16),
}

/// The body of a function.
#[derive(Debug)]
pub struct Code {
    /// Types of the locals after the parameters.
    pub locals: SignatureIndex,
    /// At least one instruction.
    pub instructions: Vec<Instruction>,
    /// Targets of each [`Instruction::VariantSwitch`], one per variant; every one is an instruction
    /// of the body.
    pub jump_tables: Vec<Vec<u16>>,
}

impl Code {
    /// Reads a body. `parameters` is the number of the function's parameters, which come before the
    /// locals.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        definitions: &Definitions,
        version: u32,
        parameters: usize,
    ) -> Result<Self, ParseError> {
        let locals = SignatureIndex(reader.index()?);
        let declared = definitions.signature(locals)?.len();
        let slots = declared + parameters;
        let count = reader.count(MAX_INSTRUCTIONS)?;
        let instructions = (0..count)
            .map(|_| instruction(reader, definitions, slots))
            .collect::<Result<Vec<_>, _>>()?;
        let mut jump_tables = Vec::new();
        if version >= VERSION_WITH_ENUMS {
            for _ in 0..reader.count(MAX_VARIANTS)? {
                jump_tables.push(jump_table(reader, definitions)?);
            }
        }
        let code = Self {
            locals,
            instructions,
            jump_tables,
        };
        code.check_targets()?;
        Ok(code)
    }

    fn check_targets(&self) -> Result<(), ParseError> {
        let count = self.instructions.len();
        let check = |target: &u16| check_index("instruction", (*target).into(), count);
        check(&0)?;
        for instruction in &self.instructions {
            match instruction {
                Instruction::Branch(target)
                | Instruction::BranchTrue(target)
                | Instruction::BranchFalse(target) => check(target)?,
                Instruction::VariantSwitch(table) => {
                    check_index("jump table", (*table).into(), self.jump_tables.len())?;
                }
                _ => {}
            }
        }
        self.jump_tables.iter().flatten().try_for_each(check)
    }
}

pub(super) fn check_index(
    what: &'static str,
    index: usize,
    count: usize,
) -> Result<(), ParseError> {
    if index < count {
        Ok(())
    } else {
        Err(ParseError::Index { what, index, count })
    }
}

/// A jump table: `enum-definition count %x01 *target`, one target per variant.
fn jump_table(reader: &mut Reader<'_>, definitions: &Definitions) -> Result<Vec<u16>, ParseError> {
    let variants = definitions.variants_of_enum(reader.index()?)?;
    let count = reader.count(MAX_VARIANTS)?;
    let offset = reader.offset();
    let byte = reader.u8()?;
    if byte != 1 {
        return Err(ParseError::Unknown {
            what: "jump table",
            byte,
            offset,
        });
    }
    if count != variants {
        return Err(ParseError::Index {
            what: "jump target",
            index: count,
            count: variants,
        });
    }
    (0..count).map(|_| reader.index()).collect()
}

fn instruction(
    reader: &mut Reader<'_>,
    definitions: &Definitions,
    slots: usize,
) -> Result<Instruction, ParseError> {
    use Instruction as I;
    let local = |reader: &mut Reader<'_>| {
        let index = reader.index()?;
        check_index("local", index.into(), slots)?;
        u8::try_from(index).map_err(|_| ParseError::Index {
            what: "local",
            index: index.into(),
            count: 256,
        })
    };
    let offset = reader.offset();
    Ok(match reader.u8()? {
        0x01 => I::Pop,
        0x02 => I::Return,
        0x03 => I::BranchTrue(reader.index()?),
        0x04 => I::BranchFalse(reader.index()?),
        0x05 => I::Branch(reader.index()?),
        0x06 => I::LoadU64(u64::from_le_bytes(reader.array()?)),
        0x07 => I::LoadConstant(definitions.constant(reader.index()?)?),
        0x08 => I::LoadBool(true),
        0x09 => I::LoadBool(false),
        0x0a => I::CopyLocal(local(reader)?),
        0x0b => I::MoveLocal(local(reader)?),
        0x0c => I::StoreLocal(local(reader)?),
        0x0d | 0x0e => I::BorrowLocal(local(reader)?),
        0x0f | 0x10 => I::BorrowField(definitions.field(reader.index()?)?),
        0x11 => I::Call(definitions.function(reader.index()?)?),
        0x12 => I::Pack(definitions.fields_of_struct(reader.index()?)?),
        0x13 => I::Unpack(definitions.fields_of_struct(reader.index()?)?),
        0x14 => I::ReadReference,
        0x15 => I::WriteReference,
        0x16 => I::Add,
        0x17 => I::Subtract,
        0x18 => I::Multiply,
        0x19 => I::Modulo,
        0x1a => I::Divide,
        0x1b => I::BitOr,
        0x1c => I::BitAnd,
        0x1d => I::Xor,
        0x1e => I::Or,
        0x1f => I::And,
        0x20 => I::Not,
        0x21 => I::Equal,
        0x22 => I::NotEqual,
        0x23 => I::Less,
        0x24 => I::Greater,
        0x25 => I::LessOrEqual,
        0x26 => I::GreaterOrEqual,
        0x27 => I::Abort,
        0x28 | 0x2e => I::Nop,
        0x2f => I::ShiftLeft,
        0x30 => I::ShiftRight,
        0x31 => I::LoadU8(reader.u8()?),
        0x32 => I::LoadU128(Box::new(u128::from_le_bytes(reader.array()?))),
        0x33 => I::CastU8,
        0x34 => I::CastU64,
        0x35 => I::CastU128,
        0x36 | 0x37 => I::BorrowField(definitions.field_instantiation(reader.index()?)?),
        0x38 => I::CallGeneric(definitions.function_instantiation(reader.index()?)?),
        0x39 => I::Pack(definitions.fields_of_struct_instantiation(reader.index()?)?),
        0x3a => I::Unpack(definitions.fields_of_struct_instantiation(reader.index()?)?),
        0x40 => {
            let element = definitions.element(reader.index()?)?;
            I::VectorPack(element, vector_count(reader)?)
        }
        0x41 => element(reader, definitions, I::VectorLength)?,
        0x42 | 0x43 => element(reader, definitions, I::VectorBorrow)?,
        0x44 => element(reader, definitions, I::VectorPushBack)?,
        0x45 => element(reader, definitions, I::VectorPopBack)?,
        0x46 => {
            definitions.element(reader.index()?)?;
            I::VectorUnpack(vector_count(reader)?)
        }
        0x47 => element(reader, definitions, I::VectorSwap)?,
        0x48 => I::LoadU16(u16::from_le_bytes(reader.array()?)),
        0x49 => I::LoadU32(u32::from_le_bytes(reader.array()?)),
        0x4a => I::LoadU256(Box::new(U256::from_le_bytes(reader.array::<32>()?))),
        0x4b => I::CastU16,
        0x4c => I::CastU32,
        0x4d => I::CastU256,
        0x4e => {
            let (tag, fields) = definitions.variant(reader.index()?)?;
            I::PackVariant { tag, fields }
        }
        0x4f => {
            let (tag, fields) = definitions.variant_instantiation(reader.index()?)?;
            I::PackVariant { tag, fields }
        }
        0x50 => {
            let (tag, fields) = definitions.variant(reader.index()?)?;
            I::UnpackVariant { tag, fields }
        }
        0x51 | 0x52 => {
            let (tag, fields) = definitions.variant(reader.index()?)?;
            I::UnpackVariantReference { tag, fields }
        }
        0x53 => {
            let (tag, fields) = definitions.variant_instantiation(reader.index()?)?;
            I::UnpackVariant { tag, fields }
        }
        0x54 | 0x55 => {
            let (tag, fields) = definitions.variant_instantiation(reader.index()?)?;
            I::UnpackVariantReference { tag, fields }
        }
        0x56 => I::VariantSwitch(reader.index()?),
        byte => {
            return Err(ParseError::Unknown {
                what: "instruction",
                byte,
                offset,
            });
        }
    })
}

/// A vector instruction whose only operand is the element type, which run time does not need.
fn element(
    reader: &mut Reader<'_>,
    definitions: &Definitions,
    instruction: Instruction,
) -> Result<Instruction, ParseError> {
    definitions.element(reader.index()?)?;
    Ok(instruction)
}

/// The element count of a vector literal: eight bytes, of which the stack allows two.
fn vector_count(reader: &mut Reader<'_>) -> Result<u16, ParseError> {
    let offset = reader.offset();
    u16::try_from(u64::from_le_bytes(reader.array()?)).map_err(|_| ParseError::Number {
        offset,
        maximum: u16::MAX.into(),
    })
}
