//! Operations on the contract, `chain/move/floe`: nodes, stake, epochs, room, blobs.

mod epochs;
mod nodes;
mod signing;
mod storage;

use floe_move_vm::Value;
use sui_sdk_types::{Address, StructTag, TypeTag};

use crate::{
    ledger::{Arg, Call, Done, Owner, create},
    scenario::{Run, Target, call, framework_type, placeholder, share_clock},
};
use signing::Keys;

const USERS: [Address; 4] = [
    Address::from_static("0xa0"),
    Address::from_static("0xa1"),
    Address::from_static("0xa2"),
    Address::from_static("0xa3"),
];
const ADMIN: Address = USERS[0];
const CHAIN_ID: [u8; 32] = [0x11; 32];
const ONE_WAL: u64 = 1_000_000_000;
const EPOCH_MS: u64 = 1_000;
/// Where the framework keeps currencies that are to be registered.
const COIN_REGISTRY: Address = Address::from_static("0xc");

pub struct Floe;

pub struct State {
    system: Address,
    staking: Address,
    currency: Address,
    clock: Address,
    now_ms: u64,
    shards: u16,
    epoch: u32,
    phase: Phase,
    keys: Vec<Keys>,
    /// Epoch 0 lasts for ever here.
    dormant: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Selected,
    Sync,
}

impl Target for Floe {
    type State = State;

    const NAME: &'static str = "floe";

    const FOLDER: &'static str = "chain/move/floe";

    const DEPENDENCIES: &'static [&'static str] = &["wal"];

    const UNREACHABLE: &'static [(&'static str, &'static str)] = &[
        ("ledger", "horizon"),
        ("rank", "cards"),
        ("rank", "ed25519"),
        ("rank", "key"),
        ("rank", "vote"),
    ];

    const LENGTH: usize = 40;

    fn begin(&self, run: &mut Run) -> State {
        let clock = share_clock(run);
        run.given(
            ADMIN,
            "wal::wal::init_for_testing(sc.ctx());",
            |ledger, number| {
                let witness = Value::structure(vec![Value::Bool(false)]).unwrap();
                let init = Call {
                    package: placeholder("wal"),
                    arguments: vec![Arg::Pure(witness), Arg::Context],
                    ..call("wal", "init", ADMIN)
                };
                ledger.must(ADMIN, number, &init);
            },
        );
        give_capabilities(run, Address::ZERO);
        let shards = run.dice.pick(&[7, 10, 64, 70]).unwrap();
        let mut state = State {
            system: Address::ZERO,
            staking: Address::ZERO,
            currency: run
                .ledger
                .owned(Owner::Address(COIN_REGISTRY), "coin_registry", "Currency")[0],
            clock,
            now_ms: 0,
            shards,
            epoch: 0,
            phase: Phase::Open,
            keys: (0..6).map(Keys::new).collect(),
            dormant: run.dice.one_in(25),
        };
        let params = [EPOCH_MS, 5_000, 300, 4_000, 3, 2 * ONE_WAL];
        let initialized = state.initialize(run, shards, 6, &CHAIN_ID, params);
        assert!(initialized.is_some() || run.ledger.fault.is_some());
        state.system = run.ledger.owned(Owner::Shared, "system", "System")[0];
        state.staking = run.ledger.owned(Owner::Shared, "staking", "Staking")[0];
        for user in USERS {
            state.fund(run, user, 100_000 * ONE_WAL);
        }
        // A network that works, so that what follows does not only fail.
        for user in USERS {
            state.register_node(run, user, true);
        }
        for round in 0..40 {
            if state.epoch > 0 || state.dormant && round > 3 {
                break;
            }
            if round < 4 || run.dice.one_in(4) {
                state.stake(run, ADMIN);
            }
            state.conduct(run);
        }
        state
    }

    fn step(&self, state: &mut State, run: &mut Run) {
        let who = run.dice.pick(&USERS).unwrap();
        match run.dice.below(40) {
            0 => state.change_coins(run, who),
            1 => state.initialize_again(run),
            2..11 => state.conduct(run),
            11..18 => state.operate(run, who),
            18..24 => state.delegate(run, who),
            24..35 => state.store(run, who),
            35..39 => state.look(run, who),
            _ if run.is_ending() => state.supersede(run),
            _ => state.settle(run),
        }
    }
}

/// The capabilities that `initialize` uses up, one of them for the package `upgradable`.
fn give_capabilities(run: &mut Run, upgradable: Address) {
    run.given(
        ADMIN,
        "floe::epoch::init_for_testing(sc.ctx());",
        |ledger, number| {
            let init = Call {
                arguments: vec![Arg::Context],
                ..call("epoch", "init", ADMIN)
            };
            ledger.must(ADMIN, number, &init);
        },
    );
    run.given(
        ADMIN,
        &format!(
            "transfer::public_transfer(sui::package::test_publish(object::id_from_address(@{upgradable}), sc.ctx()), @{ADMIN});"
        ),
        |ledger, number| {
            // Package, version 1, policy 0.
            let rest = [upgradable.as_bytes(), &1_u64.to_le_bytes(), &[0]].concat();
            let tag = framework_type("package", "UpgradeCap");
            create(ledger, ADMIN, number, Owner::Address(ADMIN), tag, &rest);
        },
    );
}

fn object(id: Address) -> Arg {
    Arg::Object(id)
}

fn pure(value: impl Into<Value>) -> Arg {
    Arg::Pure(value.into())
}

fn u8_(number: u8) -> Arg {
    Arg::Pure(Value::U8(number))
}

fn u16_(number: u16) -> Arg {
    Arg::Pure(Value::U16(number))
}

fn u32_(number: u32) -> Arg {
    Arg::Pure(Value::U32(number))
}

fn bytes(bytes: &[u8]) -> Arg {
    pure(bytes.to_vec())
}

fn id(id: Address) -> Arg {
    Arg::Pure(Value::structure(vec![id.into()]).unwrap())
}

fn text_value(text: &str) -> Value {
    Value::structure(vec![text.as_bytes().to_vec().into()]).unwrap()
}

fn text(text: &str) -> Arg {
    Arg::Pure(text_value(text))
}

/// What a function of the contract returns.
fn result(module: &str, function: &str, arguments: Vec<Arg>) -> Arg {
    Arg::Result(Box::new(Call {
        arguments,
        ..call(module, function, ADMIN)
    }))
}

fn wal() -> TypeTag {
    let package = placeholder("wal");
    StructTag::new(
        package,
        "wal".parse().unwrap(),
        "WAL".parse().unwrap(),
        Vec::new(),
    )
    .into()
}

fn coin_call(function: &str, arguments: Vec<Arg>, to: Address) -> Call {
    Call {
        package: Address::TWO,
        types: vec![wal()],
        arguments,
        ..call("coin", function, to)
    }
}

/// A new coin out of another.
fn split(coin: Address, amount: u64) -> Arg {
    let arguments = vec![object(coin), pure(amount), Arg::Context];
    Arg::Result(Box::new(coin_call("split", arguments, ADMIN)))
}

/// One of the objects of this type that `owner` has.
fn owned(run: &mut Run, owner: Address, module: &str, name: &str) -> Option<Address> {
    let all = run.ledger.owned(Owner::Address(owner), module, name);
    run.dice.pick(&all)
}

/// One of the objects of this type, and who has it.
fn anyones(run: &mut Run, module: &str, name: &str) -> Option<(Address, Address)> {
    let all: Vec<_> = USERS
        .into_iter()
        .flat_map(|user| {
            let objects = run.ledger.owned(Owner::Address(user), module, name);
            objects.into_iter().map(move |object| (user, object))
        })
        .collect();
    run.dice.pick(&all)
}

/// Calls the contract; what it returns goes to `who`.
fn perform(
    run: &mut Run,
    who: Address,
    module: &str,
    function: &str,
    arguments: Vec<Arg>,
) -> Option<Done> {
    let call = Call {
        arguments,
        ..call(module, function, who)
    };
    run.call(who, call)
}

impl State {
    /// A coin that is worth something, mostly.
    fn purse(&self, run: &mut Run, who: Address) -> Option<Address> {
        let mut coins = run.ledger.owned(Owner::Address(who), "coin", "Coin");
        if run.dice.one_in(6) {
            return run.dice.pick(&coins);
        }
        let balance = |run: &Run, coin: &Address| {
            let contents = &run.ledger.objects()[coin].contents;
            u64::from_le_bytes(contents[32..40].try_into().unwrap())
        };
        coins.sort_by_key(|coin| balance(run, coin));
        coins.pop()
    }

    fn fund(&self, run: &mut Run, who: Address, amount: u64) {
        if let Some(purse) = self.purse(run, ADMIN) {
            let arguments = vec![object(purse), pure(amount), Arg::Context];
            run.call(ADMIN, coin_call("split", arguments, who));
        }
    }

    fn change_coins(&self, run: &mut Run, who: Address) {
        if run.dice.one_in(2) {
            let amount = run.dice.pick(&[0, 5, ONE_WAL]).unwrap();
            return self.fund(run, who, amount);
        }
        let coins = (owned(run, who, "coin", "Coin"), self.purse(run, who));
        if let (Some(small), Some(large)) = coins
            && small != large
        {
            let arguments = vec![object(large), object(small)];
            run.call(who, coin_call("join", arguments, who));
        }
    }

    fn initialize(
        &self,
        run: &mut Run,
        shards: u16,
        horizon: u32,
        chain_id: &[u8],
        params: [u64; 6],
    ) -> Option<Done> {
        let cap = owned(run, ADMIN, "epoch", "InitCap")?;
        let upgrade_cap = owned(run, ADMIN, "package", "UpgradeCap")?;
        let [
            epoch_ms,
            select_bps,
            burn_bps,
            cap_bps,
            max_nodes,
            min_stake,
        ] = params;
        let small = |number: u64| u16_(u16::try_from(number).unwrap());
        let params = vec![
            pure(epoch_ms),
            small(select_bps),
            small(burn_bps),
            small(cap_bps),
            small(max_nodes),
            pure(min_stake),
        ];
        let arguments = vec![
            object(cap),
            object(upgrade_cap),
            bytes(chain_id),
            u16_(shards),
            u32_(horizon),
            pure(EPOCH_MS),
            result("params", "new", params),
            object(self.clock),
            Arg::Context,
        ];
        perform(run, ADMIN, "epoch", "initialize", arguments)
    }

    /// Another system beside the one under test, mostly of a shape that is refused.
    fn initialize_again(&self, run: &mut Run) {
        if owned(run, ADMIN, "epoch", "InitCap").is_none() {
            let foreign = run.dice.one_in(3);
            let upgradable = if foreign { Address::TWO } else { Address::ZERO };
            give_capabilities(run, upgradable);
        }
        let (mut shards, mut horizon, mut chain_id) = (10, 6, CHAIN_ID.as_slice());
        let mut params = [EPOCH_MS, 5_000, 300, 1_000, 300, ONE_WAL];
        match run.dice.below(8) {
            0 => shards = run.dice.pick(&[3, 1_025]).unwrap(),
            1 => horizon = run.dice.pick(&[1, 1_025]).unwrap(),
            2 => chain_id = &CHAIN_ID[1..],
            3 => params[0] = 0,
            4 => params[1] = 10_001,
            5 => params[3] = 0,
            6 => params[4] = 1_001,
            _ => {}
        }
        self.initialize(run, shards, horizon, chain_id, params);
    }

    /// Another package version takes over: nothing goes any more.
    fn supersede(&self, run: &mut Run) {
        let (shared, module) = if run.dice.one_in(2) {
            (self.system, "system")
        } else {
            (self.staking, "staking")
        };
        let statement = format!("floe::{module}::set_version_for_testing(&mut {{}}, 2);");
        run.given_with(ADMIN, shared, &statement, |ledger, _| {
            let mut object = ledger.objects()[&shared].clone();
            object.contents[32..40].copy_from_slice(&2_u64.to_le_bytes());
            ledger.insert(shared, object);
        });
    }
}
