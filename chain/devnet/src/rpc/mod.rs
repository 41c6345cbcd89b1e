//! The gRPC surface of a Sui full node over this chain's ledger. One file per service; shared pieces beside them.

mod execution;
mod filter;
mod headers;
mod ledger;
mod package;
mod page;
mod proof;
mod query;
mod render;
mod signature;
mod state;
mod status;
mod subscription;

use std::{pin::Pin, sync::Arc};

use futures::Stream;
use sui_rpc::proto::sui::rpc::{v2, v2alpha};
use tonic::{Response, Status, service::Routes};

use crate::node::Node;

type Reply<T> = Result<Response<T>, Status>;
type Frames<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// All services over one node.
#[derive(Clone)]
struct Services {
    node: Arc<Node>,
}

/// Largest request in bytes: a transaction of 128 KiB with signatures fits many times.
const REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// gRPC, gRPC-web and reflection, ready to be served.
pub(crate) fn routes(node: &Arc<Node>) -> Result<axum::Router, tonic_reflection::server::Error> {
    use v2::{
        ledger_service_server::LedgerServiceServer,
        move_package_service_server::MovePackageServiceServer,
        signature_verification_service_server::SignatureVerificationServiceServer,
        state_service_server::StateServiceServer,
        subscription_service_server::SubscriptionServiceServer,
        transaction_execution_service_server::TransactionExecutionServiceServer,
    };
    use v2alpha::proof_service_server::ProofServiceServer;
    let services = Services { node: node.clone() };
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v2::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(v2alpha::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let routes = Routes::new(
        LedgerServiceServer::new(services.clone()).max_decoding_message_size(REQUEST_BYTES),
    )
    .add_service(StateServiceServer::new(services.clone()).max_decoding_message_size(REQUEST_BYTES))
    .add_service(
        TransactionExecutionServiceServer::new(services.clone())
            .max_decoding_message_size(REQUEST_BYTES),
    )
    .add_service(
        MovePackageServiceServer::new(services.clone()).max_decoding_message_size(REQUEST_BYTES),
    )
    .add_service(
        SubscriptionServiceServer::new(services.clone()).max_decoding_message_size(REQUEST_BYTES),
    )
    .add_service(
        SignatureVerificationServiceServer::new(services.clone())
            .max_decoding_message_size(REQUEST_BYTES),
    )
    .add_service(ProofServiceServer::new(services).max_decoding_message_size(REQUEST_BYTES))
    .add_service(reflection);
    let headers = axum::middleware::from_fn_with_state(node.clone(), headers::add);
    Ok(routes
        .into_axum_router()
        .layer(tonic_web::GrpcWebLayer::new())
        .layer(headers))
}
