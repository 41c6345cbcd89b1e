//! SignatureVerificationService: whether a signature fits a message and an address.

use sui_crypto::{SuiVerifier, UserSignatureVerifier};
use sui_rpc::proto::sui::rpc::v2::{
    VerifySignatureRequest, VerifySignatureResponse,
    signature_verification_service_server::SignatureVerificationService,
};
use sui_sdk_types::{Address, PersonalMessage, Transaction, UserSignature};
use tonic::{Request, Status};

use super::{Reply, Services, status};
use crate::execute::check;

#[tonic::async_trait]
impl SignatureVerificationService for Services {
    async fn verify_signature(
        &self,
        request: Request<VerifySignatureRequest>,
    ) -> Reply<VerifySignatureResponse> {
        let request = request.into_inner();
        let signature = request
            .signature
            .as_ref()
            .ok_or_else(|| status::missing("signature"))?;
        let signature = UserSignature::try_from(signature)
            .map_err(|error| status::invalid("signature", error))?;
        let address = request
            .address
            .as_deref()
            .map(|text| status::address("address", Some(text)))
            .transpose()?;
        let verdict = verify(&request, &signature, address)?;
        let mut response = VerifySignatureResponse::default();
        response.is_valid = Some(verdict.is_ok());
        response.reason = verdict.err();
        Ok(response.into())
    }
}

/// The reason why a signature does not hold is an answer; a request that cannot be understood is an error.
fn verify(
    request: &VerifySignatureRequest,
    signature: &UserSignature,
    address: Option<Address>,
) -> Result<Result<(), String>, Status> {
    let message = request
        .message
        .as_ref()
        .ok_or_else(|| status::missing("message"))?;
    let bytes = message
        .value
        .as_deref()
        .ok_or_else(|| status::missing("message.value"))?;
    if let Some(address) = address
        && !check::signers(signature).contains(&address)
    {
        return Ok(Err(format!("the signature is not of address {address}")));
    }
    let verifier = UserSignatureVerifier::new();
    let verified = match message.name.as_deref() {
        Some("PersonalMessage") => {
            let message: Vec<u8> =
                bcs::from_bytes(bytes).map_err(|error| status::invalid("message", error))?;
            verifier.verify_personal_message(&PersonalMessage(message.into()), signature)
        }
        Some("TransactionData") => {
            let transaction: Transaction =
                bcs::from_bytes(bytes).map_err(|error| status::invalid("message", error))?;
            verifier.verify_transaction(&transaction, signature)
        }
        _ => {
            return Err(status::invalid(
                "message.name",
                "must be PersonalMessage or TransactionData",
            ));
        }
    };
    Ok(verified.map_err(|error| error.to_string()))
}
