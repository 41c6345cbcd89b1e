//! Predictions as the text of Move unit tests.

use std::{collections::BTreeMap, fmt::Write as _};

use floe_move_vm::{Abilities, ExecutionFailure, Type, Value};
use sui_sdk_types::{Address, StructTag, TypeTag};

use crate::{
    ledger::{Arg, Call, Done, Ledger, Owner, is_reference},
    support::judge::expected_failure,
};

/// Packages and the names they have in Move.
pub type Names = BTreeMap<Address, &'static str>;

/// The text of one unit test, under construction.
pub struct Script {
    /// Names of packages.
    names: Names,
    statements: Vec<String>,
    failure: Option<String>,
    /// Who sends the first transaction.
    first: Option<Address>,
}

/// Statements of one function: those of a whole scenario would have more locals than a function may.
const STATEMENTS: usize = 20;

impl Script {
    pub fn new(names: Names) -> Self {
        Self {
            names,
            statements: Vec::new(),
            failure: None,
            first: None,
        }
    }

    /// Begins the next transaction.
    pub fn transaction(&mut self, sender: Address) {
        if self.first.is_some() {
            self.statements.push(format!("sc.next_tx(@{sender});"));
        } else {
            self.first = Some(sender);
        }
    }

    /// Adds statements as they are.
    pub fn raw(&mut self, text: &str) {
        self.statements.push(format!("{{ {text} }};"));
    }

    fn path(&self, package: &Address) -> &'static str {
        self.names[package]
    }

    fn struct_type(&self, tag: &StructTag) -> String {
        let mut text = format!(
            "{}::{}::{}",
            self.path(tag.address()),
            tag.module(),
            tag.name()
        );
        if !tag.type_params().is_empty() {
            let arguments: Vec<_> = tag.type_params().iter().map(|t| self.kind(t)).collect();
            write!(text, "<{}>", arguments.join(", ")).unwrap();
        }
        text
    }

    fn kind(&self, tag: &TypeTag) -> String {
        match tag {
            TypeTag::Struct(tag) => self.struct_type(tag),
            TypeTag::Vector(inner) => format!("vector<{}>", self.kind(inner)),
            primitive => primitive.to_string(),
        }
    }

    /// The statements that take an object into `name`, and those that give it back.
    pub fn take(&self, ledger: &Ledger, id: &Address, name: &str) -> (String, String) {
        let object = &ledger.objects()[id];
        let kind = self.struct_type(&object.tag);
        let id = format!("object::id_from_address(@{id})");
        let (take, give) = match object.owner {
            Owner::Shared => (
                format!("ts::take_shared_by_id<{kind}>(sc, {id})"),
                format!("ts::return_shared({name});"),
            ),
            Owner::Immutable => (
                format!("ts::take_immutable_by_id<{kind}>(sc, {id})"),
                format!("ts::return_immutable({name});"),
            ),
            Owner::Address(owner) => (
                format!("ts::take_from_address_by_id<{kind}>(sc, @{owner}, {id})"),
                format!("ts::return_to_address(@{owner}, {name});"),
            ),
            Owner::Object(_) => panic!("dynamic fields cannot be taken"),
        };
        (format!("let mut {name} = {take};"), give)
    }

    /// A call with what it must do, or, where it must fail, without. `before` is the ledger the call
    /// was made on, `after` the one it left.
    pub fn call(&mut self, before: &Ledger, after: &Ledger, call: &Call, done: Option<&Done>) {
        let mut statement = Statement {
            script: self,
            before,
            after,
            names: BTreeMap::new(),
            takes: String::new(),
            gives: String::new(),
            checks: String::new(),
        };
        let expression = statement.call(call);
        let Statement {
            takes,
            mut gives,
            mut checks,
            ..
        } = statement;
        let signature = before.signature(call);
        let names: Vec<_> = (0..signature.returns.len())
            .map(|i| format!("r{i}"))
            .collect();
        let binding = match names.as_slice() {
            [] => String::new(),
            [one] => format!("let {one} = "),
            many => format!("let ({}) = ", many.join(", ")),
        };
        let mut session = before.session(Address::ZERO, 0);
        let types: Vec<Type> = call
            .types
            .iter()
            .map(|t| session.type_of(t).unwrap())
            .collect();
        for (name, kind) in names.iter().zip(&signature.returns) {
            let abilities = session
                .abilities(&kind.substitute(&types).unwrap())
                .unwrap();
            if abilities.contains(Abilities::KEY) {
                write!(
                    gives,
                    " transfer::public_transfer({name}, @{});",
                    call.results_to
                )
                .unwrap();
            } else {
                assert!(
                    abilities.contains(Abilities::DROP),
                    "{call:?} returns a hot potato"
                );
            }
        }
        if let Some(done) = done {
            let returns = names.iter().zip(&signature.returns).zip(&done.returned);
            for ((name, kind), returned) in returns {
                let borrow = if is_reference(kind) { "" } else { "&" };
                let bytes = hex::encode(returned);
                write!(
                    checks,
                    " assert!(bcs::to_bytes({borrow}{name}) == x\"{bytes}\");"
                )
                .unwrap();
            }
            write!(
                checks,
                " assert!(event::num_events() == {});",
                done.events.len()
            )
            .unwrap();
            let mut seen = Vec::new();
            for event in &done.events {
                if !seen.contains(&&event.tag) {
                    seen.push(&event.tag);
                }
            }
            for tag in seen {
                let same: Vec<_> = done.events.iter().filter(|e| e.tag == *tag).collect();
                let bytes: String = same.iter().map(|e| hex::encode(&e.contents)).collect();
                assert!(same.len() < 128, "one byte of length");
                write!(
                    checks,
                    " assert!(bcs::to_bytes(&event::events_by_type<{}>()) == x\"{:02x}{bytes}\");",
                    self.kind(tag),
                    same.len()
                )
                .unwrap();
            }
        } else {
            checks.clear();
        }
        self.statements.push(format!(
            "{{ {takes} {binding}{expression};{checks} {gives} }};"
        ));
    }

    /// Checks every object that can be taken.
    pub fn check_all(&mut self, ledger: &Ledger) {
        for (id, object) in ledger.objects() {
            if !matches!(object.owner, Owner::Object(_)) {
                let (take, give) = self.take(ledger, id, "o");
                let bytes = hex::encode(&object.contents);
                self.raw(&format!(
                    "{take} assert!(bcs::to_bytes(&o) == x\"{bytes}\"); {give}"
                ));
            }
        }
    }

    /// Says that the test ends in this failure.
    pub fn fails(&mut self, failure: &ExecutionFailure) {
        self.failure = Some(expected_failure(failure, self.names[&Address::ZERO]));
    }

    /// The test function, and its parts.
    pub fn finish(self, name: &str) -> String {
        let attribute = match &self.failure {
            Some(failure) => format!("#[test, {failure}]"),
            None => "#[test]".to_owned(),
        };
        let first = self.first.unwrap_or(Address::ZERO);
        let mut text =
            format!("{attribute}\nfun {name}() {{\n    let mut sc = ts::begin(@{first});\n");
        let mut parts = String::new();
        for (part, statements) in self.statements.chunks(STATEMENTS).enumerate() {
            writeln!(text, "    {name}_{part}(&mut sc);").unwrap();
            let body = statements.join("\n    ");
            writeln!(
                parts,
                "fun {name}_{part}(sc: &mut ts::Scenario) {{\n    {body}\n}}"
            )
            .unwrap();
        }
        text + "    sc.end();\n}\n" + &parts
    }
}

/// One call as text, and what surrounds it.
struct Statement<'s> {
    script: &'s Script,
    before: &'s Ledger,
    after: &'s Ledger,
    /// Objects taken so far.
    names: BTreeMap<Address, String>,
    takes: String,
    gives: String,
    checks: String,
}

impl Statement<'_> {
    fn call(&mut self, call: &Call) -> String {
        let signature = self.before.signature(call);
        let arguments: Vec<_> = call
            .arguments
            .iter()
            .zip(&signature.parameters)
            .map(|(argument, parameter)| self.argument(argument, parameter))
            .collect();
        let types: Vec<_> = call.types.iter().map(|tag| self.script.kind(tag)).collect();
        let types = match types.as_slice() {
            [] => String::new(),
            some => format!("<{}>", some.join(", ")),
        };
        format!(
            "{}::{}::{}{types}({})",
            self.script.path(&call.package),
            call.module,
            call.function,
            arguments.join(", ")
        )
    }

    fn argument(&mut self, argument: &Arg, parameter: &Type) -> String {
        let borrow = match parameter {
            Type::MutableReference(_) => "&mut ",
            Type::Reference(_) => "&",
            _ => "",
        };
        match argument {
            Arg::Context => "sc.ctx()".to_owned(),
            Arg::Pure(value) => literal(parameter, value),
            Arg::Result(call) => {
                let text = self.call(call);
                let returned = &self.before.signature(call).returns[0];
                if is_reference(returned) {
                    text
                } else {
                    format!("{borrow}{text}")
                }
            }
            Arg::Object(id) => {
                if !self.names.contains_key(id) {
                    let name = format!("a{}", self.names.len());
                    let (take, give) = self.script.take(self.before, id, &name);
                    self.takes += &take;
                    if is_reference(parameter) {
                        self.gives += &give;
                        let bytes = hex::encode(&self.after.objects()[id].contents);
                        write!(
                            self.checks,
                            " assert!(bcs::to_bytes(&{name}) == x\"{bytes}\");"
                        )
                        .unwrap();
                    }
                    self.names.insert(*id, name);
                }
                format!("{borrow}{}", self.names[id])
            }
        }
    }
}

/// A value as Move text.
fn literal(kind: &Type, value: &Value) -> String {
    match (kind, value) {
        (_, Value::Bool(value)) => value.to_string(),
        (_, Value::U8(number)) => format!("{number}u8"),
        (_, Value::U16(number)) => format!("{number}u16"),
        (_, Value::U32(number)) => format!("{number}u32"),
        (_, Value::U64(number)) => format!("{number}u64"),
        (_, Value::U128(number)) => format!("{}u128", number.get()),
        (_, Value::Address(address)) => format!("@{address}"),
        (_, Value::Bytes(bytes)) => format!("x\"{}\"", hex::encode(bytes)),
        (Type::Vector(element), Value::Vector(items)) => {
            let items: Vec<_> = items.iter().map(|item| literal(element, item)).collect();
            format!("vector[{}]", items.join(", "))
        }
        (kind, Value::Struct(fields))
            if kind.is(Address::from_static("0x1"), "string", "String") =>
        {
            format!("std::string::utf8({})", literal(kind, &fields[0]))
        }
        (kind, Value::Struct(fields)) if kind.is(Address::TWO, "object", "ID") => {
            format!("object::id_from_address({})", literal(kind, &fields[0]))
        }
        (kind, value) => panic!("no literal for {kind}: {value:?}"),
    }
}
