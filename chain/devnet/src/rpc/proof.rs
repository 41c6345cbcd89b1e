//! ProofService (alpha): whether a checkpoint wrote an object, as a Merkle proof under its certified summary.

use sui_rpc::proto::sui::rpc::v2alpha::{
    GetCheckpointObjectProofRequest, GetCheckpointObjectProofResponse, OcsInclusionProof,
    OcsNonInclusionProof, get_checkpoint_object_proof_response::Proof,
    proof_service_server::ProofService,
};
use sui_sdk_types::{
    Address, Digest, ObjectReference, SignedCheckpointSummary, merkle::MerkleTree,
};
use tonic::{Request, Status};

use super::{Reply, Services, status};
use crate::ledger::{Checkpoint, Ledger};

#[tonic::async_trait]
impl ProofService for Services {
    async fn get_checkpoint_object_proof(
        &self,
        request: Request<GetCheckpointObjectProofRequest>,
    ) -> Reply<GetCheckpointObjectProofResponse> {
        let request = request.into_inner();
        let id = status::address("object_id", request.object_id.as_deref())?;
        let sequence = request
            .checkpoint
            .ok_or_else(|| status::missing("checkpoint"))?;
        let respond = move |ledger: &Ledger| {
            let checkpoint = ledger
                .history()
                .checkpoint(sequence)
                .ok_or_else(|| Status::not_found(format!("Checkpoint {sequence} not found")))?;
            let proof = prove(ledger, checkpoint, id)
                .ok_or_else(|| Status::internal("the proof cannot be made"))?;
            let summary = SignedCheckpointSummary {
                checkpoint: checkpoint.summary.clone(),
                signature: ledger.certificate(checkpoint).clone(),
            };
            let summary =
                bcs::to_bytes(&summary).map_err(|error| Status::internal(error.to_string()))?;
            let mut response = GetCheckpointObjectProofResponse::default();
            response.checkpoint_summary = Some(summary.into());
            response.proof = Some(proof);
            Ok::<_, Status>(response)
        };
        Ok(self.node.read(respond).await??.into())
    }
}

fn prove(ledger: &Ledger, checkpoint: &Checkpoint, id: Address) -> Option<Proof> {
    let written = checkpoint.written();
    let tree = MerkleTree::build_from_unserialized(written.iter()).ok()?;
    let root = tree.root().bytes().to_vec();
    let Ok(index) = written.binary_search_by_key(&id, |reference| *reference.object_id()) else {
        let absent = ObjectReference::new(id, 0, Digest::ZERO);
        let mut proof = OcsNonInclusionProof::default();
        proof.non_inclusion_proof =
            Some((&tree.compute_non_inclusion_proof(&written, &absent).ok()?).into());
        proof.tree_root = Some(root.into());
        return Some(Proof::NonInclusion(proof));
    };
    let reference = written.get(index)?;
    let mut proof = OcsInclusionProof::default();
    proof.merkle_proof = Some((&tree.get_proof(index).ok()?).into());
    proof.leaf_index = u64::try_from(index).ok();
    proof.tree_root = Some(root.into());
    proof.object_ref = Some(reference.clone().into());
    let object = ledger.objects().at(&id, reference.version());
    proof.object_data = object
        .and_then(|object| bcs::to_bytes(&**object).ok())
        .map(Into::into);
    Some(Proof::Inclusion(proof))
}
