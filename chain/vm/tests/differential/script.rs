//! Predictions as the text of Move unit tests.

use std::fmt::Write as _;

use floe_move_vm::{Abilities, ExecutionFailure, Type, Value};
use sui_sdk_types::{Address, StructTag, TypeTag};

use crate::{
    ledger::{Arg, Call, Done, Ledger, Owner, is_reference},
    support::judge::expected_failure,
};

/// The text of one unit test, under construction.
pub struct Script {
    package: &'static str,
    body: String,
    failure: Option<String>,
    begun: bool,
}

impl Script {
    pub fn new(package: &'static str) -> Self {
        Self {
            package,
            body: String::new(),
            failure: None,
            begun: false,
        }
    }

    /// Begins the next transaction.
    pub fn transaction(&mut self, sender: Address) {
        if self.begun {
            writeln!(self.body, "    sc.next_tx(@{sender});")
        } else {
            self.begun = true;
            writeln!(self.body, "    let mut sc = ts::begin(@{sender});")
        }
        .unwrap();
    }

    /// Adds statements as they are.
    pub fn raw(&mut self, text: &str) {
        writeln!(self.body, "    {{ {text} }};").unwrap();
    }

    fn path(&self, package: &Address) -> &'static str {
        match *package {
            Address::ZERO => self.package,
            Address::TWO => "sui",
            _ => "std",
        }
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
                format!("ts::take_shared_by_id<{kind}>(&sc, {id})"),
                format!("ts::return_shared({name});"),
            ),
            Owner::Immutable => (
                format!("ts::take_immutable_by_id<{kind}>(&sc, {id})"),
                format!("ts::return_immutable({name});"),
            ),
            Owner::Address(owner) => (
                format!("ts::take_from_address_by_id<{kind}>(&sc, @{owner}, {id})"),
                format!("ts::return_to_address(@{owner}, {name});"),
            ),
            Owner::Object(_) => panic!("dynamic fields cannot be taken"),
        };
        (format!("let mut {name} = {take};"), give)
    }

    /// A call with what it must do, or, where it must fail, without. `before` is the ledger the call
    /// was made on, `after` the one it left.
    pub fn call(&mut self, before: &Ledger, after: &Ledger, call: &Call, done: Option<&Done>) {
        let signature = before.signature(call);
        let (mut takes, mut gives, mut checks) = (String::new(), String::new(), String::new());
        let mut arguments = Vec::new();
        for (index, (argument, parameter)) in
            call.arguments.iter().zip(&signature.parameters).enumerate()
        {
            let name = format!("a{index}");
            arguments.push(match argument {
                Arg::Context => "sc.ctx()".to_owned(),
                Arg::Pure(value) => literal(parameter, value),
                Arg::Object(id) => {
                    let (take, give) = self.take(before, id, &name);
                    takes += &take;
                    if is_reference(parameter) {
                        gives += &give;
                        let bytes = hex::encode(&after.objects()[id].contents);
                        write!(checks, " assert!(bcs::to_bytes(&{name}) == x\"{bytes}\");")
                            .unwrap();
                    }
                    match parameter {
                        Type::MutableReference(_) => format!("&mut {name}"),
                        Type::Reference(_) => format!("&{name}"),
                        _ => name,
                    }
                }
            });
        }
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
            for (name, returned) in names.iter().zip(&done.returned) {
                let bytes = hex::encode(returned);
                write!(checks, " assert!(bcs::to_bytes(&{name}) == x\"{bytes}\");").unwrap();
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
        let types: Vec<_> = call.types.iter().map(|tag| self.kind(tag)).collect();
        let types = match types.as_slice() {
            [] => String::new(),
            some => format!("<{}>", some.join(", ")),
        };
        writeln!(
            self.body,
            "    {{ {takes} {binding}{}::{}::{}{types}({});{checks} {gives} }};",
            self.path(&call.package),
            call.module,
            call.function,
            arguments.join(", ")
        )
        .unwrap();
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
        self.failure = Some(expected_failure(failure, self.package));
    }

    /// The test function.
    pub fn finish(self, name: &str) -> String {
        let attribute = match &self.failure {
            Some(failure) => format!("#[test, {failure}]"),
            None => "#[test]".to_owned(),
        };
        format!(
            "{attribute}\nfun {name}() {{\n{}    sc.end();\n}}\n",
            self.body
        )
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
        (kind, value) => panic!("no literal for {kind}: {value:?}"),
    }
}
