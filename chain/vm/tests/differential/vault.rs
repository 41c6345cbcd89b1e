//! Operations on `tests/move/vault`: coins, stake, certificates with BLS keys, lots, parcels.

use blst::min_pk::{AggregateSignature, SecretKey};
use floe_move_vm::Value;
use sui_sdk_types::Address;

use crate::{
    ledger::{Arg, Call, Owner},
    scenario::{Run, SYSTEM, Target, call, set_clock, share_clock},
};

const DOMAIN: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_";
const USERS: [Address; 4] = [
    Address::from_static("0xa0"),
    Address::from_static("0xa1"),
    Address::from_static("0xa2"),
    Address::from_static("0xa3"),
];
const ADMIN: Address = USERS[0];

pub struct Vault;

pub struct State {
    registry: Address,
    clock: Address,
    random: Address,
    now_ms: u64,
    round: u64,
    /// A BLS key for every user.
    keys: Vec<SecretKey>,
}

impl Target for Vault {
    type State = State;

    const NAME: &'static str = "vault";

    const FOLDER: &'static str = "chain/vm/tests/move/vault";

    const DEPENDENCIES: &'static [&'static str] = &[];

    const UNREACHABLE: &'static [(&'static str, &'static str)] = &[];

    const LENGTH: usize = 17;

    fn begin(&self, run: &mut Run) -> State {
        let clock = share_clock(run);
        let random = Address::from_static("0x8");
        run.given(
            SYSTEM,
            "random::create_for_testing(sc.ctx());",
            |ledger, number| {
                let create = framework("random", "create", vec![Arg::Context]);
                ledger.must(SYSTEM, number, &create);
            },
        );
        run.given(
            ADMIN,
            "vault::token::init_for_testing(sc.ctx());",
            |ledger, number| {
                let witness = Value::structure(vec![Value::Bool(false)]).unwrap();
                let mut init = call("token", "init", ADMIN);
                init.arguments = vec![Arg::Pure(witness), Arg::Context];
                ledger.must(ADMIN, number, &init);
            },
        );
        run.given(
            ADMIN,
            "vault::registry::init_for_testing(sc.ctx());",
            |ledger, number| {
                let mut init = call("registry", "init", ADMIN);
                init.arguments = vec![Arg::Context];
                ledger.must(ADMIN, number, &init);
            },
        );
        let registry = run.ledger.owned(Owner::Shared, "registry", "Registry")[0];
        let mut state = State {
            registry,
            clock,
            random,
            now_ms: 0,
            round: 0,
            keys: (1..=4)
                .map(|seed| SecretKey::key_gen(&[seed; 32], &[]).unwrap())
                .collect(),
        };
        state.new_round(run);
        for user in USERS {
            state.mint(run, user);
        }
        state
    }

    fn step(&self, state: &mut State, run: &mut Run) {
        let who = run.dice.pick(&USERS).unwrap();
        match run.dice.below(28) {
            0 => state.tick(run),
            1 => state.new_round(run),
            2 | 3 => state.mint(run, who),
            4 => state.burn(run),
            5..8 => state.register(run, who),
            8 => state.deposit(run, who),
            9 | 10 => state.withdraw(run, who),
            11 => state.leave(run, who),
            12 => state.slash(run),
            13 | 14 => state.certify(run),
            15 => state.certify_together(run),
            16 => state.draw(run, who),
            17 => state.look(run, who),
            _ => state.parcels(run, who),
        }
    }
}

fn framework(module: &str, function: &str, arguments: Vec<Arg>) -> Call {
    Call {
        package: Address::TWO,
        arguments,
        ..call(module, function, SYSTEM)
    }
}

fn u64_(number: u64) -> Arg {
    Arg::Pure(Value::U64(number))
}

fn bytes(bytes: &[u8]) -> Arg {
    Arg::Pure(Value::Bytes(bytes.to_vec()))
}

fn text(run: &mut Run) -> Arg {
    let name = run.dice.pick(&["red", "grün", "blue"]).unwrap();
    let name = Value::structure(vec![Value::Bytes(name.as_bytes().to_vec())]).unwrap();
    Arg::Pure(name)
}

fn position(user: Address) -> usize {
    USERS.iter().position(|known| *known == user).unwrap()
}

impl State {
    fn tick(&mut self, run: &mut Run) {
        self.now_ms += run.dice.below(40_000);
        set_clock(run, self.clock, self.now_ms);
    }

    fn new_round(&mut self, run: &mut Run) {
        let seed: Vec<u8> = (0..4).flat_map(|_| run.dice.next().to_le_bytes()).collect();
        let statement = format!(
            "random::update_randomness_state_for_testing(&mut {{}}, {}, x\"{}\", sc.ctx());",
            self.round,
            hex::encode(&seed)
        );
        let update = framework(
            "random",
            "update_randomness_state",
            vec![
                Arg::Object(self.random),
                u64_(self.round),
                bytes(&seed),
                Arg::Context,
            ],
        );
        run.given_with(SYSTEM, self.random, &statement, |ledger, number| {
            ledger.must(SYSTEM, number, &update);
        });
        self.round += 1;
    }

    fn object(run: &mut Run, owner: Address, module: &str, name: &str) -> Option<Address> {
        let owned = run.ledger.owned(Owner::Address(owner), module, name);
        run.dice.pick(&owned)
    }

    fn perform(run: &mut Run, who: Address, module: &str, function: &str, arguments: Vec<Arg>) {
        let call = Call {
            arguments,
            ..call(module, function, who)
        };
        run.call(who, call);
    }

    fn mint(&self, run: &mut Run, to: Address) {
        let amount = match run.dice.below(8) {
            0 => 0,
            1 => 1_000_000_001,
            _ => {
                let bits = run.dice.below(29);
                1 + run.dice.below(1 << bits)
            }
        };
        let mint = run.ledger.owned(Owner::Address(ADMIN), "token", "Mint")[0];
        let call = Call {
            arguments: vec![Arg::Object(mint), u64_(amount), Arg::Context],
            ..call("token", "mint", to)
        };
        run.call(ADMIN, call);
    }

    fn burn(&self, run: &mut Run) {
        let mint = run.ledger.owned(Owner::Address(ADMIN), "token", "Mint")[0];
        if let Some(coin) = Self::object(run, ADMIN, "coin", "Coin") {
            let arguments = vec![Arg::Object(mint), Arg::Object(coin)];
            Self::perform(run, ADMIN, "token", "burn", arguments);
        }
    }

    fn register(&self, run: &mut Run, who: Address) {
        let Some(coin) = Self::object(run, who, "coin", "Coin") else {
            return;
        };
        let mut key = self.keys[position(who)].sk_to_pk().to_bytes().to_vec();
        if run.dice.one_in(12) {
            key.pop();
        }
        let slots = u16::try_from(run.dice.below(90)).unwrap();
        let arguments = vec![
            Arg::Object(self.registry),
            Arg::Object(coin),
            bytes(&key),
            Arg::Pure(Value::U16(slots)),
            Arg::Object(self.clock),
            Arg::Context,
        ];
        Self::perform(run, who, "registry", "register", arguments);
    }

    fn deposit(&self, run: &mut Run, who: Address) {
        let receipt = Self::object(run, who, "registry", "Receipt");
        let coin = Self::object(run, who, "coin", "Coin");
        if let (Some(receipt), Some(coin)) = (receipt, coin) {
            let arguments = vec![
                Arg::Object(self.registry),
                Arg::Object(receipt),
                Arg::Object(coin),
            ];
            Self::perform(run, who, "registry", "deposit", arguments);
        }
    }

    /// The owner of a receipt may be asked to act, or somebody who then gives it away.
    fn withdraw(&self, run: &mut Run, who: Address) {
        let Some(receipt) = Self::object(run, who, "registry", "Receipt") else {
            return;
        };
        let amount = match run.dice.below(6) {
            0 => run.dice.next(),
            1 => 0,
            _ => run.dice.below(1 << 20),
        };
        let arguments = vec![
            Arg::Object(self.registry),
            Arg::Object(receipt),
            u64_(amount),
            Arg::Context,
        ];
        Self::perform(run, who, "registry", "withdraw", arguments);
    }

    fn leave(&self, run: &mut Run, who: Address) {
        // A receipt that changed hands no longer serves.
        let holder = run.dice.pick(&USERS).unwrap();
        let from = if run.dice.one_in(3) { holder } else { who };
        let Some(receipt) = Self::object(run, from, "registry", "Receipt") else {
            return;
        };
        let arguments = vec![
            Arg::Object(self.registry),
            Arg::Object(receipt),
            Arg::Object(self.clock),
            Arg::Context,
        ];
        // The unit-test VM lets any sender take any object, so it judges the package's own check.
        Self::perform(run, who, "registry", "leave", arguments);
    }

    fn slash(&self, run: &mut Run) {
        let cap = run
            .ledger
            .owned(Owner::Address(ADMIN), "registry", "AdminCap")[0];
        let whom = run.dice.pick(&USERS).unwrap();
        let bps = u16::try_from(run.dice.below(10_400)).unwrap();
        let arguments = vec![
            Arg::Object(self.registry),
            Arg::Object(cap),
            Arg::Pure(whom.into()),
            Arg::Pure(Value::U16(bps)),
        ];
        Self::perform(run, ADMIN, "registry", "slash", arguments);
    }

    fn blob(run: &mut Run) -> Vec<u8> {
        format!("blob {}", run.dice.below(4)).into_bytes()
    }

    fn certify(&self, run: &mut Run) {
        let whom = run.dice.pick(&USERS).unwrap();
        let blob = Self::blob(run);
        let signer = if run.dice.one_in(6) { ADMIN } else { whom };
        let mut signature = self.keys[position(signer)]
            .sign(&blob, DOMAIN, &[])
            .to_bytes();
        if run.dice.one_in(10) {
            signature[0] ^= 0x20;
        }
        let arguments = vec![
            Arg::Object(self.registry),
            Arg::Pure(whom.into()),
            bytes(&blob),
            bytes(&signature),
        ];
        Self::perform(run, whom, "registry", "certify", arguments);
    }

    fn certify_together(&self, run: &mut Run) {
        let blob = Self::blob(run);
        let signers: Vec<_> = USERS.into_iter().filter(|_| !run.dice.one_in(4)).collect();
        let mut signatures: Vec<_> = signers
            .iter()
            .map(|signer| self.keys[position(*signer)].sign(&blob, DOMAIN, &[]))
            .collect();
        if run.dice.one_in(8) && signatures.len() > 1 {
            signatures.pop();
        }
        let signatures: Vec<_> = signatures.iter().collect();
        let Ok(aggregate) = AggregateSignature::aggregate(&signatures, false) else {
            return;
        };
        let signers = signers.into_iter().map(Value::Address).collect();
        let arguments = vec![
            Arg::Object(self.registry),
            Arg::Pure(Value::vector(signers).unwrap()),
            bytes(&blob),
            bytes(&aggregate.to_signature().to_bytes()),
        ];
        Self::perform(run, ADMIN, "registry", "certify_together", arguments);
    }

    fn draw(&self, run: &mut Run, who: Address) {
        let arguments = vec![
            Arg::Object(self.registry),
            Arg::Object(self.random),
            Arg::Context,
        ];
        Self::perform(run, who, "registry", "draw", arguments);
    }

    fn look(&self, run: &mut Run, who: Address) {
        let whom = Arg::Pure(run.dice.pick(&USERS).unwrap().into());
        let registry = Arg::Object(self.registry);
        if run.dice.one_in(3) {
            let amount = if run.dice.one_in(3) {
                u64::MAX - run.dice.below(1_000)
            } else {
                run.dice.below(1 << 40)
            };
            let amount = u64_(amount);
            let arguments = vec![registry, whom, amount];
            Self::perform(run, who, "registry", "shares", arguments);
        } else {
            let blob = Self::blob(run);
            let arguments = vec![registry, whom, bytes(&blob)];
            Self::perform(run, who, "registry", "member", arguments);
        }
    }

    fn parcels(&self, run: &mut Run, who: Address) {
        let kind = run.dice.below(20);
        if kind < 3 {
            let weight = if run.dice.one_in(4) { 60_001 } else { 1 };
            let weight = weight + u32::try_from(run.dice.below(3)).unwrap();
            let arguments = vec![
                Arg::Pure(Value::U32(weight)),
                bytes(b"packed"),
                Arg::Context,
            ];
            return Self::perform(run, who, "parcel", "pack", arguments);
        }
        if kind == 3 {
            if let Some(wrapped) = Self::object(run, who, "parcel", "Crate") {
                Self::perform(run, who, "parcel", "unwrap", vec![Arg::Object(wrapped)]);
            }
            return;
        }
        if kind == 4 {
            let frozen = run.ledger.owned(Owner::Immutable, "parcel", "Plaque");
            if let Some(plaque) = run.dice.pick(&frozen) {
                Self::perform(run, who, "parcel", "read", vec![Arg::Object(plaque)]);
            }
            return;
        }
        let Some(id) = Self::object(run, who, "parcel", "Parcel") else {
            return;
        };
        let parcel = Arg::Object(id);
        let (function, arguments) = match kind {
            5 | 16 | 17 => {
                let to = run.dice.pick(&USERS).unwrap();
                ("send", vec![parcel, Arg::Pure(to.into())])
            }
            6 | 18 | 19 => {
                let secret = run.dice.pick(&["ab", "cd", "ef"]).unwrap();
                ("seal", vec![parcel, bytes(secret.as_bytes())])
            }
            7 => {
                let key = u8::try_from(run.dice.below(3)).unwrap();
                let note = bytes(&[key, 7]);
                ("annotate", vec![parcel, Arg::Pure(Value::U8(key)), note])
            }
            8 | 9 => {
                let value = u64_(run.dice.next());
                ("label", vec![parcel, text(run), value])
            }
            10 => ("unlabel", vec![parcel, text(run)]),
            11 => {
                let Some(part) = Self::object(run, who, "parcel", "Parcel").filter(|p| *p != id)
                else {
                    return;
                };
                ("attach", vec![parcel, Arg::Object(part)])
            }
            12 => {
                let weight = Value::U32(1 + u32::try_from(run.dice.below(3)).unwrap());
                ("detach", vec![parcel, Arg::Pure(weight)])
            }
            13 => {
                let stamp = u128::from(run.dice.below(3)) << 77;
                ("wrap", vec![parcel, Arg::Pure(stamp.into()), Arg::Context])
            }
            14 if run.dice.one_in(2) => ("postage", vec![parcel, u64_(run.dice.next())]),
            14 => ("weigh", vec![parcel, text(run)]),
            _ if run.dice.one_in(2) => ("discard", vec![parcel]),
            _ => ("display", vec![parcel, bytes(b"on display"), Arg::Context]),
        };
        Self::perform(run, who, "parcel", function, arguments);
    }
}
