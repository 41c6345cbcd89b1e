//! The values of a programmable transaction between its commands: what an argument refers to and how often it may be used.

use floe_move_vm::{Slot, Type};
use sui_sdk_types::{Address, Argument, CommandArgumentError, Version};

use super::Access;

/// Where a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Gas,
    Input(usize),
    Result(usize, usize),
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Gas,
    Object(Access),
    Value,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Content {
    /// Bytes that get a type where they are used; each type has its own value.
    Pure {
        bytes: Vec<u8>,
        typed: Vec<(Type, Slot)>,
    },
    /// An object to be received.
    Receiving { id: Address, version: Version },
    /// A value of the session.
    Held { type_: Type, slot: Slot },
    /// Moved away by an earlier command.
    Taken,
}

#[derive(Debug)]
pub(super) struct Cell {
    pub(super) content: Content,
    pub(super) origin: Origin,
}

/// How one command uses a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Write,
    Take,
}

/// All values of one transaction.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) gas: Cell,
    pub(super) inputs: Vec<Cell>,
    pub(super) results: Vec<Vec<Cell>>,
    uses: Vec<(Key, Use)>,
}

impl Cells {
    pub(super) fn new(gas: Cell, inputs: Vec<Cell>) -> Self {
        Self {
            gas,
            inputs,
            results: Vec::new(),
            uses: Vec::new(),
        }
    }

    /// A new command begins: nothing is borrowed.
    pub(super) fn begin_command(&mut self) {
        self.uses.clear();
    }

    /// The value an argument refers to.
    pub(super) fn locate(&self, argument: Argument) -> Result<Key, CommandArgumentError> {
        match argument {
            Argument::Gas => Ok(Key::Gas),
            Argument::Input(index) if usize::from(index) < self.inputs.len() => {
                Ok(Key::Input(index.into()))
            }
            Argument::Input(index) => Err(CommandArgumentError::IndexOutOfBounds { index }),
            Argument::Result(result) => match self.results.get(usize::from(result)) {
                None => Err(CommandArgumentError::IndexOutOfBounds { index: result }),
                Some(values) if values.len() == 1 => Ok(Key::Result(result.into(), 0)),
                Some(_) => Err(CommandArgumentError::InvalidResultArity { result }),
            },
            Argument::NestedResult(result, subresult) => {
                match self.results.get(usize::from(result)) {
                    None => Err(CommandArgumentError::IndexOutOfBounds { index: result }),
                    Some(values) if usize::from(subresult) < values.len() => {
                        Ok(Key::Result(result.into(), subresult.into()))
                    }
                    Some(_) => {
                        Err(CommandArgumentError::SecondaryIndexOutOfBounds { result, subresult })
                    }
                }
            }
        }
    }

    pub(super) fn get(&mut self, key: Key) -> &mut Cell {
        match key {
            Key::Gas => &mut self.gas,
            Key::Input(index) => &mut self.inputs[index],
            Key::Result(result, subresult) => &mut self.results[result][subresult],
        }
    }

    /// Notes a use within the current command; a value may be read often, or written or taken once.
    pub(super) fn note(&mut self, key: Key, how: Use) -> Result<(), CommandArgumentError> {
        let conflict = self
            .uses
            .iter()
            .any(|(used, before)| *used == key && (how != Use::Read || *before != Use::Read));
        if conflict {
            return Err(CommandArgumentError::InvalidValueUsage);
        }
        self.uses.push((key, how));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_often_or_changed_once() {
        let cell = || Cell {
            content: Content::Taken,
            origin: Origin::Value,
        };
        let mut cells = Cells::new(cell(), vec![cell(), cell()]);
        for (first, second, fits) in [
            (Use::Read, Use::Read, true),
            (Use::Read, Use::Write, false),
            (Use::Write, Use::Read, false),
            (Use::Take, Use::Take, false),
        ] {
            cells.begin_command();
            cells.note(Key::Input(0), first).unwrap();
            assert_eq!(
                cells.note(Key::Input(0), second).is_ok(),
                fits,
                "{first:?} then {second:?}"
            );
            cells.note(Key::Input(1), Use::Write).unwrap();
        }
    }

    #[test]
    fn arguments_out_of_range_are_named() {
        let cell = || Cell {
            content: Content::Taken,
            origin: Origin::Value,
        };
        let mut cells = Cells::new(cell(), vec![cell()]);
        cells.results = vec![vec![cell(), cell()], vec![cell()]];
        assert_eq!(
            cells.locate(Argument::Input(1)),
            Err(CommandArgumentError::IndexOutOfBounds { index: 1 })
        );
        assert_eq!(
            cells.locate(Argument::Result(0)),
            Err(CommandArgumentError::InvalidResultArity { result: 0 })
        );
        assert_eq!(cells.locate(Argument::Result(1)), Ok(Key::Result(1, 0)));
        assert_eq!(
            cells.locate(Argument::NestedResult(0, 2)),
            Err(CommandArgumentError::SecondaryIndexOutOfBounds {
                result: 0,
                subresult: 2
            })
        );
    }
}
