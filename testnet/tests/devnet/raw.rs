//! Certificates that no client of ours would make, put to the contract itself.

use floe_chain::committee::{Committee, MemberIndex};
use floe_chain::id::ObjectId;
use floe_chain::keys::BlsSignature;
use floe_chain::rpc::abort::Refusal;
use floe_chain::rpc::{ChainRead, ChainWrite, SuiChain};
use floe_chain::statement::{Assertion, Inconsistent, Statement};
use floe_testnet::deploy::Plan;
use sui_crypto::{SuiSigner, ed25519::Ed25519PrivateKey};
use sui_rpc::Client;
use sui_rpc::field::{FieldMask, FieldMaskUtil};
use sui_rpc::proto::sui::rpc::v2::{
    ExecuteTransactionRequest, GetObjectRequest, ListOwnedObjectsRequest,
};
use sui_sdk_types::{
    Address, ExecutionError, ExecutionStatus, Identifier, Object, Owner, TransactionEffects,
};
use sui_transaction_builder::{Function, ObjectInput, TransactionBuilder};

use crate::support::{Chain, DEPLOYER, HOUR, network, plan, register, user};

/// Calls of the contract with arguments of any kind, in the name of the deployer.
struct Raw {
    client: Client,
    key: Ed25519PrivateKey,
    package: Address,
    system: Address,
}

/// What a certificate consists of on its way to the contract.
struct Claim {
    epoch: u32,
    signers: Vec<u8>,
    signature: Vec<u8>,
}

impl Raw {
    async fn object(&mut self, id: Address, mutable: bool) -> ObjectInput {
        let request = GetObjectRequest::new(&id).with_read_mask(FieldMask::from_str("bcs"));
        let found = self
            .client
            .ledger_client()
            .get_object(request)
            .await
            .unwrap();
        let object: Object = found
            .into_inner()
            .object
            .unwrap()
            .bcs()
            .deserialize()
            .unwrap();
        match object.owner() {
            Owner::Shared(_) => ObjectInput::from(&object).with_mutable(mutable),
            _ => ObjectInput::from(&object),
        }
    }

    async fn gas(&mut self) -> ObjectInput {
        let owner = self.key.public_key().derive_address();
        let mut request = ListOwnedObjectsRequest::default();
        request.owner = Some(owner.to_string());
        request.object_type = Some("0x2::coin::Coin<0x2::sui::SUI>".to_owned());
        request.read_mask = Some(FieldMask::from_str("bcs"));
        let owned = self.client.state_client().list_owned_objects(request).await;
        let coins = owned.unwrap().into_inner().objects;
        let coins = coins
            .iter()
            .map(|coin| coin.bcs().deserialize::<Object>().unwrap());
        let units = |coin: &Object| {
            let contents = coin.as_struct().unwrap().contents();
            u64::from_le_bytes(contents[32..].try_into().unwrap())
        };
        ObjectInput::from(&coins.max_by_key(units).unwrap())
    }

    /// `system::certify(System, Blob, ..)` or `system::mark_inconsistent(System, blob id, ..)`,
    /// executed; the module and code of its abort, if it aborted.
    async fn present(
        &mut self,
        function: &'static str,
        blob: Result<ObjectId, Vec<u8>>,
        claim: Claim,
    ) -> Option<Refusal> {
        let mut tx = TransactionBuilder::new();
        tx.set_sender(self.key.public_key().derive_address());
        tx.set_gas_price(1_000);
        tx.set_gas_budget(2_000_000_000);
        tx.add_gas_objects([self.gas().await]);
        let system = self.object(self.system, false).await;
        let system = tx.object(system);
        let blob = match blob {
            Ok(object) => {
                let object = self.object(Address::new(*object.as_bytes()), true).await;
                tx.object(object)
            }
            Err(id) => tx.pure(&id),
        };
        let args = vec![
            system,
            blob,
            tx.pure(&claim.epoch),
            tx.pure(&claim.signers),
            tx.pure(&claim.signature),
        ];
        let names = (
            Identifier::from_static("system"),
            Identifier::from_static(function),
        );
        tx.move_call(Function::new(self.package, names.0, names.1), args);
        let tx = tx.try_build().unwrap();
        let mut request = ExecuteTransactionRequest::default();
        request.signatures = vec![self.key.sign_transaction(&tx).unwrap().into()];
        request.transaction = Some(tx.into());
        request.read_mask = Some(FieldMask::from_str("effects.bcs"));
        let mut execution = self.client.execution_client();
        let executed = execution
            .execute_transaction(request)
            .await
            .unwrap()
            .into_inner();
        let effects = executed.transaction.unwrap().effects.unwrap();
        let effects: TransactionEffects = effects.bcs().deserialize().unwrap();
        match effects.status() {
            ExecutionStatus::Success => None,
            ExecutionStatus::Failure {
                error: ExecutionError::MoveAbort { location, code },
                ..
            } => Some(Refusal::of(location.module.as_str(), *code).unwrap()),
            other => panic!("{other:?}"),
        }
    }
}

/// The bitmap of these members.
fn bitmap(committee: &Committee, members: &[u16]) -> Vec<u8> {
    let mut bytes = vec![0; committee.members().len().div_ceil(8)];
    for member in members {
        bytes[usize::from(member / 8)] |= 1 << (member % 8);
    }
    bytes
}

/// The sum of the signatures of these members, one of each time a member is named.
fn signature<B: Assertion>(
    chain: &SuiChain,
    committee: &Committee,
    plan: &Plan,
    body: B,
    members: &[u16],
) -> Vec<u8> {
    let statement = Statement {
        network: chain.network(),
        epoch: committee.epoch(),
        body,
    };
    let bytes = statement.to_bytes();
    let signatures = members.iter().map(|index| {
        let member = committee.member(MemberIndex::new(*index)).unwrap();
        let mut nodes = plan.nodes.iter();
        let node = nodes.find(|n| n.protocol.public() == *member.bls_key());
        node.unwrap().protocol.sign(&bytes)
    });
    let signatures: Vec<BlsSignature> = signatures.collect();
    BlsSignature::aggregate(&signatures)
        .unwrap()
        .to_bytes()
        .to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_refuses_other_kinds_and_signers_counted_twice() {
    let chain = Chain::start().await;
    let plan = plan(10, 10, HOUR);
    let (_, network) = network(&chain, &plan).await;
    let account = user(&network);
    let blob = register(&network, &account, 1, 1_000, false, 2).await;
    let system = network.system().await.unwrap();
    let committee = network.committee(system.epoch).await.unwrap().unwrap();
    let mut raw = Raw {
        client: Client::new(chain.devnet.info().url.as_str()).unwrap(),
        key: Ed25519PrivateKey::new(DEPLOYER),
        package: Address::new(*system.package.as_bytes()),
        system: Address::new(*network.network().system.as_bytes()),
    };
    assert_eq!(
        raw.key.public_key().derive_address().inner(),
        account.address().as_bytes()
    );

    let (available, wrong) = (blob.available(), Inconsistent { blob: blob.blob });
    let quorum = [0, 1, 2, 3, 4, 5, 6];
    let claim = |signers: &[u16], signature| Claim {
        epoch: system.epoch.get(),
        signers: bitmap(&committee, signers),
        signature,
    };
    let available_by = |members: &[u16]| signature(&network, &committee, &plan, available, members);
    let wrong_by = |members: &[u16]| signature(&network, &committee, &plan, wrong, members);

    // One member more than once: in the place of another, beside the others, and one bit for two.
    let twice: [(&[u16], &[u16], Refusal); 4] = [
        (&quorum, &[0, 1, 2, 3, 4, 5, 5], Refusal::BlsSignature),
        (&quorum, &[0, 1, 2, 3, 4, 5, 6, 6], Refusal::BlsSignature),
        (
            &[0, 1, 2, 3, 4, 5],
            &[0, 1, 2, 3, 4, 5, 5],
            Refusal::BlsWeight,
        ),
        (&quorum, &[0; 7], Refusal::BlsSignature),
    ];
    for (named, signed, refusal) in twice {
        let claim = claim(named, available_by(signed));
        let outcome = raw.present("certify", Ok(blob.object), claim).await;
        assert_eq!(outcome, Some(refusal), "{signed:?}");
    }
    // A quorum signed, but another kind of statement.
    let outcome = raw.present(
        "certify",
        Ok(blob.object),
        claim(&quorum, wrong_by(&quorum)),
    );
    assert_eq!(outcome.await, Some(Refusal::BlsSignature));
    let id = blob.blob.as_bytes().to_vec();
    let accuse = claim(&quorum, available_by(&quorum));
    let outcome = raw
        .present("mark_inconsistent", Err(id.clone()), accuse)
        .await;
    assert_eq!(outcome, Some(Refusal::BlsSignature));

    // The same way in, with what the contract wants.
    let good = claim(&quorum, available_by(&quorum));
    assert_eq!(raw.present("certify", Ok(blob.object), good).await, None);
    let accuse = claim(&quorum[..4], wrong_by(&quorum[..4]));
    assert_eq!(
        raw.present("mark_inconsistent", Err(id), accuse).await,
        None
    );
}
