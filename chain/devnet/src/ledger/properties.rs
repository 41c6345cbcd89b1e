//! Random histories of coins: money is conserved, versions only grow, effects tell the truth, and a replay agrees.

use std::{collections::BTreeMap, path::PathBuf};

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use sui_crypto::{SuiSigner, ed25519::Ed25519PrivateKey};
use sui_sdk_types::{
    Address, Argument, Command, ExecutionStatus, GasPayment, Identifier, Input, MakeMoveVector,
    MergeCoins, MoveCall, ObjectOut, ObjectReference, ProgrammableTransaction, Publish,
    SignedTransaction, SplitCoins, StructTag, Transaction, TransactionExpiration, TransactionKind,
    TransferObjects,
};

use super::{Executed, Ledger};
use crate::{
    coin,
    execute::{Authorized, Refusal},
    framework, genesis,
    store::Genesis,
    validators::Secret,
};

/// All the SUI there is, in MIST.
const SUPPLY: u128 = 10_000_000_000_000_000_000;
const ACCOUNTS: u8 = 3;

/// Any value at all; some do not exist. Inputs are two amounts, an address, then coins.
fn anything() -> impl Strategy<Value = Argument> {
    prop_oneof![
        Just(Argument::Gas),
        (0_u16..8).prop_map(Argument::Input),
        (0_u16..5).prop_map(Argument::Result),
        (0_u16..5, 0_u16..3).prop_map(|(result, index)| Argument::NestedResult(result, index)),
    ]
}

/// Mostly one of these inputs, now and then anything.
fn mostly(inputs: std::ops::Range<u16>) -> impl Strategy<Value = Argument> {
    prop_oneof![19 => inputs.prop_map(Argument::Input), 1 => anything()]
}

fn coin() -> impl Strategy<Value = Argument> {
    prop_oneof![1 => Just(Argument::Gas), 4 => mostly(3..6), 2 => (0_u16..2).prop_map(|result| Argument::NestedResult(result, 0))]
}

fn call(
    module: &'static str,
    function: &'static str,
    type_: StructTag,
    arguments: Vec<Argument>,
) -> Command {
    Command::MoveCall(MoveCall {
        package: Address::TWO,
        module: Identifier::from_static(module),
        function: Identifier::from_static(function),
        type_arguments: vec![type_.into()],
        arguments,
    })
}

fn command() -> impl Strategy<Value = Command> {
    let amounts = prop::collection::vec(mostly(0..2), 1..4);
    let coins = || prop::collection::vec(coin(), 1..3);
    let of_sui = |function, arguments| call("coin", function, StructTag::sui(), arguments);
    let of_coin =
        |function, arguments| call("transfer", function, StructTag::gas_coin(), arguments);
    prop_oneof![
        6 => (coin(), amounts).prop_map(|(coin, amounts)| Command::SplitCoins(SplitCoins { coin, amounts })),
        3 => (coin(), coins())
            .prop_map(|(coin, coins_to_merge)| Command::MergeCoins(MergeCoins { coin, coins_to_merge })),
        8 => (coins(), mostly(2..3))
            .prop_map(|(objects, address)| Command::TransferObjects(TransferObjects { objects, address })),
        1 => coins().prop_map(|elements| Command::MakeMoveVector(MakeMoveVector { type_: None, elements })),
        1 => Just(of_sui("zero", vec![])),
        1 => coin().prop_map(move |coin| of_sui("destroy_zero", vec![coin])),
        2 => (coin(), coin()).prop_map(move |(coin, other)| of_sui("join", vec![coin, other])),
        1 => coin().prop_map(move |coin| of_coin("public_share_object", vec![coin])),
        1 => coin().prop_map(move |coin| of_coin("public_freeze_object", vec![coin])),
    ]
}

/// What one account tries.
#[derive(Clone, Debug)]
struct Attempt {
    sender: u8,
    sponsor: u8,
    commands: Vec<Command>,
    amounts: [u64; 2],
    budget: u64,
    gas_coins: usize,
    seal: Option<bool>,
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let amounts = [0_u64..2_000_000_000, 0..20_000_000_000_000];
    let commands = prop::collection::vec(command(), 0..4);
    (
        0..ACCOUNTS,
        0..ACCOUNTS,
        commands,
        amounts,
        900_000_u64..8_000_000,
        1_usize..4,
        prop::option::weighted(0.3, any::<bool>()),
    )
        .prop_map(
            |(sender, sponsor, commands, amounts, budget, gas_coins, seal)| Attempt {
                sender,
                sponsor,
                commands,
                amounts,
                budget,
                gas_coins,
                seal,
            },
        )
}

fn key(account: u8) -> Ed25519PrivateKey {
    Ed25519PrivateKey::new([account + 1; 32])
}

fn owner(account: u8) -> Address {
    key(account).public_key().derive_address()
}

struct Bank {
    ledger: Ledger,
    burned: u128,
    now_ms: u64,
    /// How often each outcome happened.
    outcomes: BTreeMap<String, usize>,
}

impl Bank {
    fn open() -> Self {
        let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/move");
        let packages = framework::read(&target).unwrap();
        let genesis = Genesis {
            secret: [3; 32],
            timestamp_ms: 1_000,
            packages,
        };
        let mut bank = Self {
            ledger: Ledger::create(genesis).unwrap(),
            burned: 0,
            now_ms: 1_000,
            outcomes: BTreeMap::new(),
        };
        for account in 0..ACCOUNTS {
            bank.give(account);
        }
        bank
    }

    fn coins(&self, of: Address) -> Vec<ObjectReference> {
        let coins = self.ledger.objects().coins(&of, &StructTag::sui());
        coins
            .map(|coin| ObjectReference::new(coin.object_id(), coin.version(), coin.digest()))
            .collect()
    }

    fn give(&mut self, account: u8) {
        let faucet = genesis::faucet_key(&Secret::new([3; 32]));
        let from = faucet.public_key().derive_address();
        let purse = self.coins(from).remove(0);
        let split = SplitCoins {
            coin: Argument::Gas,
            amounts: vec![Argument::Input(0); 6],
        };
        let coins = (0..6)
            .map(|index| Argument::NestedResult(0, index))
            .collect();
        let commands = vec![
            Command::SplitCoins(split),
            Command::TransferObjects(TransferObjects {
                objects: coins,
                address: Argument::Input(1),
            }),
        ];
        let inputs = vec![
            pure(1_000_000_000),
            Input::Pure(owner(account).as_bytes().to_vec()),
        ];
        let transaction = transaction(from, from, vec![purse], inputs, commands, 50_000_000);
        self.submit(transaction, &[&faucet][..]).unwrap();
    }

    /// A transaction that would succeed: a payment, or the publication of a package.
    fn template(&mut self, publishes: bool) -> Transaction {
        self.give(0);
        let gas = self.coins(owner(0)).split_off(1);
        let inputs = vec![pure(5), Input::Pure(owner(1).as_bytes().to_vec())];
        let (made, address) = (Argument::Result(0), Argument::Input(1));
        let first = if publishes {
            Command::Publish(stall())
        } else {
            let amounts = vec![Argument::Input(0)];
            Command::SplitCoins(SplitCoins {
                coin: Argument::Gas,
                amounts,
            })
        };
        let send = Command::TransferObjects(TransferObjects {
            objects: vec![made],
            address,
        });
        transaction(
            owner(0),
            owner(0),
            gas[..3].to_vec(),
            inputs,
            vec![first, send],
            200_000_000,
        )
    }

    /// Submits a transaction signed with these keys; without any, as if it had been verified before.
    fn submit<'a>(
        &mut self,
        transaction: Transaction,
        keys: impl Into<Option<&'a [&'a Ed25519PrivateKey]>>,
    ) -> Result<(), Refusal> {
        let keys = keys.into();
        let sign = |key: &&Ed25519PrivateKey| key.sign_transaction(&transaction).unwrap();
        let signatures = keys.unwrap_or_default().iter().map(sign).collect();
        let signed = SignedTransaction {
            transaction,
            signatures,
        };
        let authorized = match keys {
            Some(_) => Authorized::verify(signed)?,
            None => Authorized::from_log(signed),
        };
        let executed = self.ledger.submit(authorized, self.now_ms)?;
        let gas = &executed.effects_v2().gas_used;
        self.burned +=
            u128::from(gas.computation_cost) + u128::from(gas.non_refundable_storage_fee);
        check_effects(&self.ledger, &executed);
        let outcome = match &executed.effects_v2().status {
            ExecutionStatus::Success => "success".to_owned(),
            ExecutionStatus::Failure { error, .. } => {
                let error = format!("{error:?}");
                error
                    .split([' ', '('])
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            }
        };
        *self.outcomes.entry(outcome).or_default() += 1;
        Ok(())
    }

    fn attempt(&mut self, attempt: Attempt) {
        self.now_ms += 7;
        for account in [attempt.sender, attempt.sponsor] {
            if self.coins(owner(account)).len() < 8 {
                self.give(account);
            }
        }
        let (sender, payer) = (owner(attempt.sender), owner(attempt.sponsor));
        let mut gas = self.coins(payer);
        gas.truncate(attempt.gas_coins);
        let own = self
            .coins(sender)
            .into_iter()
            .filter(|coin| !gas.contains(coin))
            .take(4);
        let mut inputs = attempt.amounts.map(pure).to_vec();
        inputs.push(Input::Pure(payer.as_bytes().to_vec()));
        inputs.extend(own.map(Input::ImmutableOrOwned));
        let transaction = transaction(sender, payer, gas, inputs, attempt.commands, attempt.budget);
        let keys = [key(attempt.sender), key(attempt.sponsor)];
        let needed = if sender == payer {
            vec![&keys[0]]
        } else {
            keys.iter().collect()
        };
        let before = self.ledger.history().height();
        if self.submit(transaction, &needed[..]).is_err() {
            assert_eq!(self.ledger.history().height(), before);
        }
        if let Some(end_of_epoch) = attempt.seal {
            self.ledger.seal(self.now_ms, end_of_epoch);
        }
        self.check_money();
    }

    /// Coins, deposits and what was burned add up to all there ever was.
    fn check_money(&self) {
        let mut sum = self.burned;
        for object in self.ledger.objects().live() {
            sum += u128::from(object.storage_rebate());
            let body = object
                .as_struct()
                .filter(|body| *body.object_type() == StructTag::gas_coin());
            sum += u128::from(body.and_then(coin::balance).unwrap_or(0));
        }
        assert_eq!(sum, SUPPLY);
    }
}

/// The test package, as it would be published.
fn stall() -> Publish {
    #[derive(serde::Deserialize)]
    struct Compiled {
        modules: Vec<String>,
        dependencies: Vec<Address>,
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/move/stall.json");
    let compiled: Compiled = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let decode = |text: &String| data_encoding::BASE64.decode(text.as_bytes()).unwrap();
    Publish {
        modules: compiled.modules.iter().map(decode).collect(),
        dependencies: compiled.dependencies,
    }
}

fn pure(number: u64) -> Input {
    Input::Pure(number.to_le_bytes().to_vec())
}

fn transaction(
    sender: Address,
    payer: Address,
    gas: Vec<ObjectReference>,
    inputs: Vec<Input>,
    commands: Vec<Command>,
    budget: u64,
) -> Transaction {
    Transaction {
        kind: TransactionKind::ProgrammableTransaction(ProgrammableTransaction {
            inputs,
            commands,
        }),
        sender,
        gas_payment: GasPayment {
            objects: gas,
            owner: payer,
            price: 1_000,
            budget,
        },
        expiration: TransactionExpiration::None,
    }
}

/// What effects say is what the ledger holds.
fn check_effects(ledger: &Ledger, executed: &Executed) {
    let effects = executed.effects_v2();
    let before: BTreeMap<_, _> = executed
        .inputs
        .iter()
        .map(|object| (object.object_id(), object.version()))
        .collect();
    for change in &effects.changed_objects {
        let live = ledger.objects().get(&change.object_id);
        match &change.output_state {
            ObjectOut::ObjectWrite { digest, owner } => {
                let live = live.unwrap();
                assert_eq!(
                    (live.digest(), live.owner(), live.version()),
                    (*digest, owner, effects.lamport_version)
                );
                assert!(
                    before
                        .get(&change.object_id)
                        .is_none_or(|version| *version < effects.lamport_version)
                );
            }
            ObjectOut::PackageWrite { digest, .. } => assert_eq!(live.unwrap().digest(), *digest),
            ObjectOut::NotExist => assert!(live.is_none()),
            other => panic!("{other:?}"),
        }
    }
    let failed = effects.status != ExecutionStatus::Success;
    assert!(!failed || executed.events.is_none());
    assert!(effects.gas_used.computation_cost <= executed.transaction.gas_payment.budget);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Transactions with flipped bytes, published bytecode included, are refused or fail; nothing panics and no money appears.
    #[test]
    fn damaged_transactions_do_no_harm(flips in prop::collection::vec((any::<bool>(), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)), 1..24)) {
        let mut bank = Bank::open();
        for (publishes, flips) in flips {
            let transaction = bank.template(publishes);
            let mut bytes = bcs::to_bytes(&transaction).unwrap();
            for (index, byte) in flips {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            if let Ok(transaction) = bcs::from_bytes::<Transaction>(&bytes) {
                drop(bank.submit(transaction, None));
                bank.check_money();
            }
        }
    }

    #[test]
    fn money_is_conserved_and_replays_agree(attempts in prop::collection::vec(attempt(), 1..40)) {
        let mut bank = Bank::open();
        let mut records = bank.ledger.take_records();
        for attempt in attempts {
            bank.attempt(attempt);
            records.extend(bank.ledger.take_records());
        }
        let replayed = Ledger::replay(records).unwrap();
        let newest = |ledger: &Ledger| ledger.history().newest().unwrap().digest;
        prop_assert_eq!(newest(&replayed), newest(&bank.ledger));
        prop_assert_eq!(replayed.terms().epoch, bank.ledger.terms().epoch);
        prop_assert_eq!(replayed.has_work(), bank.ledger.has_work());
    }
}

/// The random histories reach what they are meant to reach.
#[test]
fn random_histories_succeed_and_fail_in_many_ways() {
    let mut runner = TestRunner::deterministic();
    let mut bank = Bank::open();
    for _ in 0..400 {
        bank.attempt(attempt().new_tree(&mut runner).unwrap().current());
    }
    let executed: usize = bank.outcomes.values().sum();
    let successes = bank.outcomes["success"];
    assert!(
        executed > 200 && successes * 3 > executed,
        "{:?}",
        bank.outcomes
    );
    assert!(bank.outcomes.len() >= 6, "{:?}", bank.outcomes);
}
