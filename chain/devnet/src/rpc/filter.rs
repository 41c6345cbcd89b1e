//! Filters over transactions and events in disjunctive normal form, checked when they arrive.

use std::collections::BTreeSet;

use sui_rpc::proto::sui::rpc::v2::{
    EventFilter, TransactionFilter, event_literal, transaction_literal,
};
use sui_sdk_types::{Address, Command, Event, ObjectData, Owner, StructTag, TransactionKind};
use tonic::Status;

use super::status;
use crate::ledger::{Checkpoint, Executed};

/// Literals in one filter.
const LITERALS: usize = 256;

/// `package[::module[::name]]`
#[derive(Debug)]
struct Path {
    package: Address,
    rest: Vec<String>,
}

/// A type, or a prefix of one.
#[derive(Debug)]
enum TypePattern {
    Prefix(Path),
    Exact(StructTag),
}

#[derive(Debug)]
enum Predicate {
    Sender(Address),
    EmitModule(Path),
    EventType(TypePattern),
    AffectedAddress(Address),
    AffectedObject(Address),
    MoveCall(Path),
    PackageWrite,
}

#[derive(Debug)]
struct Literal {
    negated: bool,
    predicate: Predicate,
}

/// Terms of which one must hold; each a list of literals that must all hold. No terms at all match everything.
#[derive(Debug, Default)]
pub(super) struct Filter(Vec<Vec<Literal>>);

impl Filter {
    pub(super) fn of_events(filter: Option<&EventFilter>) -> Result<Self, Status> {
        use event_literal::Predicate as P;
        let Some(filter) = filter else {
            return Ok(Self::default());
        };
        let terms = filter.terms.iter().map(|term| {
            literals(&term.literals, |literal| {
                let predicate = match given(literal.predicate.as_ref())? {
                    P::Sender(sender) => Predicate::sender(sender.address.as_deref())?,
                    P::EmitModule(emit) => Predicate::emit_module(emit.module.as_deref())?,
                    P::EventType(type_) => Predicate::event_type(type_.event_type.as_deref())?,
                    _ => return Err(unsupported()),
                };
                Ok((literal.negated, predicate))
            })
        });
        Self::bounded(terms.collect::<Result<_, _>>()?)
    }

    pub(super) fn of_transactions(filter: Option<&TransactionFilter>) -> Result<Self, Status> {
        use transaction_literal::Predicate as P;
        let Some(filter) = filter else {
            return Ok(Self::default());
        };
        let terms = filter.terms.iter().map(|term| {
            literals(&term.literals, |literal| {
                let predicate = match given(literal.predicate.as_ref())? {
                    P::Sender(sender) => Predicate::sender(sender.address.as_deref())?,
                    P::AffectedAddress(of) => Predicate::AffectedAddress(status::address(
                        "filter.affected_address",
                        of.address.as_deref(),
                    )?),
                    P::AffectedObject(of) => Predicate::AffectedObject(status::address(
                        "filter.affected_object",
                        of.object_id.as_deref(),
                    )?),
                    P::MoveCall(call) => Predicate::MoveCall(Path::parse(
                        "filter.move_call",
                        call.function.as_deref(),
                        3,
                    )?),
                    P::EmitModule(emit) => Predicate::emit_module(emit.module.as_deref())?,
                    P::EventType(type_) => Predicate::event_type(type_.event_type.as_deref())?,
                    P::PackageWrite(_) => Predicate::PackageWrite,
                    _ => return Err(unsupported()),
                };
                Ok((literal.negated, predicate))
            })
        });
        Self::bounded(terms.collect::<Result<_, _>>()?)
    }

    fn bounded(terms: Vec<Vec<Literal>>) -> Result<Self, Status> {
        let count: usize = terms.iter().map(Vec::len).sum();
        if terms.is_empty() {
            return Err(Status::invalid_argument(
                "filter: a filter needs at least one term",
            ));
        }
        if count > LITERALS {
            return Err(Status::invalid_argument(format!(
                "filter: {count} literals, at most {LITERALS} are allowed"
            )));
        }
        Ok(Self(terms))
    }

    /// Whether everything matches.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn matches_event(&self, event: &Event) -> bool {
        self.holds(|predicate| match predicate {
            Predicate::Sender(sender) => event.sender == *sender,
            other => other.matches(event),
        })
    }

    pub(super) fn matches_transaction(&self, executed: &Executed) -> bool {
        self.holds(|predicate| match predicate {
            Predicate::Sender(sender) => executed.transaction.sender == *sender,
            Predicate::AffectedAddress(address) => affected(executed).contains(address),
            Predicate::AffectedObject(id) => executed
                .effects_v2()
                .changed_objects
                .iter()
                .any(|change| change.object_id == *id),
            Predicate::MoveCall(path) => calls(executed, path),
            Predicate::PackageWrite => executed
                .outputs
                .iter()
                .any(|object| matches!(object.data(), ObjectData::Package(_))),
            of_event => executed
                .events
                .as_ref()
                .is_some_and(|events| events.0.iter().any(|event| of_event.matches(event))),
        })
    }

    pub(super) fn matches_checkpoint(&self, checkpoint: &Checkpoint) -> bool {
        self.is_open()
            || checkpoint
                .transactions
                .iter()
                .any(|executed| self.matches_transaction(executed))
    }

    fn holds(&self, predicate: impl Fn(&Predicate) -> bool) -> bool {
        self.is_open()
            || self.0.iter().any(|term| {
                term.iter()
                    .all(|literal| predicate(&literal.predicate) != literal.negated)
            })
    }
}

impl Predicate {
    fn sender(address: Option<&str>) -> Result<Self, Status> {
        status::address("filter.sender", address).map(Self::Sender)
    }

    fn emit_module(path: Option<&str>) -> Result<Self, Status> {
        Path::parse("filter.emit_module", path, 2).map(Self::EmitModule)
    }

    fn event_type(text: Option<&str>) -> Result<Self, Status> {
        TypePattern::parse(text).map(Self::EventType)
    }

    /// Whether an event is what a predicate about events asks for.
    fn matches(&self, event: &Event) -> bool {
        match self {
            Self::EmitModule(path) => path.matches(event.package_id, &[event.module.as_str()]),
            Self::EventType(pattern) => pattern.matches(&event.type_),
            _ => false,
        }
    }
}

/// The literals of one term; `read` tells whether one is negated, and its predicate.
fn literals<L>(
    given: &[L],
    read: impl Fn(&L) -> Result<(bool, Predicate), Status>,
) -> Result<Vec<Literal>, Status> {
    let literal = |literal| {
        let (negated, predicate) = read(literal)?;
        Ok(Literal { negated, predicate })
    };
    given.iter().map(literal).collect()
}

fn given<P>(predicate: Option<&P>) -> Result<&P, Status> {
    predicate.ok_or_else(|| status::missing("filter.predicate"))
}

fn unsupported() -> Status {
    Status::unimplemented("filter: this predicate is not supported")
}

/// Addresses that owned an object before or after.
fn affected(executed: &Executed) -> BTreeSet<Address> {
    let changed: BTreeSet<Address> = executed
        .effects_v2()
        .changed_objects
        .iter()
        .map(|change| change.object_id)
        .collect();
    let before = executed
        .inputs
        .iter()
        .filter(|object| changed.contains(&object.object_id()));
    let owner = |owner: &Owner| match owner {
        Owner::Address(address) | Owner::ConsensusAddress { owner: address, .. } => Some(*address),
        _ => None,
    };
    before
        .chain(&executed.outputs)
        .filter_map(|object| owner(object.owner()))
        .collect()
}

fn calls(executed: &Executed, path: &Path) -> bool {
    let TransactionKind::ProgrammableTransaction(programmable) = &executed.transaction.kind else {
        return false;
    };
    programmable.commands.iter().any(|command| match command {
        Command::MoveCall(call) => path.matches(
            call.package,
            &[call.module.as_str(), call.function.as_str()],
        ),
        _ => false,
    })
}

impl Path {
    fn parse(field: &str, text: Option<&str>, most: usize) -> Result<Self, Status> {
        let text = text.ok_or_else(|| status::missing(field))?;
        let mut parts = text.split("::");
        let package = status::address(field, parts.next())?;
        let rest: Vec<String> = parts.map(str::to_owned).collect();
        if rest.len() >= most || rest.iter().any(String::is_empty) {
            return Err(status::invalid(
                field,
                format!("{text:?} is no path of at most {most} parts"),
            ));
        }
        Ok(Self { package, rest })
    }

    fn matches(&self, package: Address, rest: &[&str]) -> bool {
        self.package == package
            && self
                .rest
                .iter()
                .zip(rest)
                .all(|(wanted, actual)| wanted == actual)
    }
}

impl TypePattern {
    fn parse(text: Option<&str>) -> Result<Self, Status> {
        const FIELD: &str = "filter.event_type";
        let text = text.ok_or_else(|| status::missing(FIELD))?;
        if text.contains('<') {
            status::struct_type(FIELD, text).map(Self::Exact)
        } else {
            Path::parse(FIELD, Some(text), 3).map(Self::Prefix)
        }
    }

    fn matches(&self, type_: &StructTag) -> bool {
        match self {
            Self::Exact(tag) => tag == type_,
            Self::Prefix(path) => path.matches(
                *type_.address(),
                &[type_.module().as_str(), type_.name().as_str()],
            ),
        }
    }
}
