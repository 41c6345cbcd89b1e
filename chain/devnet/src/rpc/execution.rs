//! TransactionExecutionService: execute and simulate.

use sui_rpc::{
    field::FieldMaskTree,
    proto::sui::rpc::v2::{
        Bcs, CommandOutput, CommandResult, ExecuteTransactionRequest, ExecuteTransactionResponse,
        ExecutedTransaction, SimulateTransactionRequest, SimulateTransactionResponse,
        simulate_transaction_request::TransactionChecks,
        transaction_execution_service_server::TransactionExecutionService,
    },
};
use sui_sdk_types::{SignedTransaction, Transaction, TransactionEffects, UserSignature};
use tonic::{Request, Status};

use super::{Reply, Services, render, status};
use crate::{
    execute::{self, TypedBytes},
    ledger::{Executed, Ledger},
    node::SubmitError,
    simulate::{self, Options, Simulated},
};

/// Signatures in one request: sender and sponsor.
const SIGNATURES: usize = 2;

#[tonic::async_trait]
impl TransactionExecutionService for Services {
    async fn execute_transaction(
        &self,
        request: Request<ExecuteTransactionRequest>,
    ) -> Reply<ExecuteTransactionResponse> {
        let request = request.into_inner();
        let mask = render::mask::<ExecutedTransaction>(
            request.read_mask.as_ref(),
            "effects.status,checkpoint",
        )?;
        let transaction = request
            .transaction
            .as_ref()
            .ok_or_else(|| status::missing("transaction"))?;
        let transaction = Transaction::try_from(transaction)
            .map_err(|error| status::invalid("transaction", error))?;
        if request.signatures.len() > SIGNATURES {
            return Err(status::invalid(
                "signatures",
                format!(
                    "{} given, at most {SIGNATURES} are needed",
                    request.signatures.len()
                ),
            ));
        }
        let parse = |signature| {
            UserSignature::try_from(signature).map_err(|error| status::invalid("signatures", error))
        };
        let signatures = request
            .signatures
            .iter()
            .map(parse)
            .collect::<Result<_, _>>()?;
        let executed = self
            .node
            .submit(SignedTransaction {
                transaction,
                signatures,
            })
            .await
            .map_err(|error| match error {
                SubmitError::Refused(refusal) => refusal.into(),
                SubmitError::NotDurable(error) => Status::from(error),
            })?;
        let message = self.node.read(|ledger| {
            let place = ledger
                .history()
                .transaction(&executed.digest)
                .and_then(|(_, place)| place);
            render::transaction(ledger.history(), &executed, place, &mask)
        });
        let mut response = ExecuteTransactionResponse::default();
        response.transaction = Some(message.await?);
        Ok(response.into())
    }

    async fn simulate_transaction(
        &self,
        request: Request<SimulateTransactionRequest>,
    ) -> Reply<SimulateTransactionResponse> {
        let request = request.into_inner();
        let mask = render::mask::<SimulateTransactionResponse>(request.read_mask.as_ref(), "*")?;
        let relaxed = request.checks() == TransactionChecks::Disabled;
        let options = Options {
            relaxed,
            select_gas: request.do_gas_selection() && !relaxed,
        };
        let transaction = request
            .transaction
            .ok_or_else(|| status::missing("transaction"))?;
        let respond = move |ledger: &Ledger, now_ms| {
            let view = ledger.view_at(now_ms);
            let draft = simulate::Draft::parse(&transaction)?;
            let simulated = simulate::simulate(&view, draft, options)?;
            Ok::<_, Status>(response(ledger, simulated, &mask))
        };
        Ok(self.node.study(respond).await??.into())
    }
}

fn response(
    ledger: &Ledger,
    simulated: Simulated,
    mask: &FieldMaskTree,
) -> SimulateTransactionResponse {
    let Simulated {
        transaction,
        outcome,
    } = simulated;
    let mut response = SimulateTransactionResponse::default();
    if mask.contains("command_outputs") {
        response.command_outputs = outcome.results.iter().map(command_result).collect();
    }
    if mask.contains("suggested_gas_price") {
        response.suggested_gas_price = Some(ledger.terms().reference_gas_price);
    }
    if let Some(mask) = mask.subtree("transaction") {
        let executed = Executed {
            digest: transaction.digest(),
            transaction,
            signatures: Vec::new(),
            effects: TransactionEffects::V2(Box::new(outcome.effects)),
            events: outcome.events,
            inputs: outcome.inputs,
            outputs: outcome.outputs,
        };
        response.transaction = Some(render::transaction(
            ledger.history(),
            &executed,
            None,
            &mask,
        ));
    }
    response
}

fn command_result(output: &execute::CommandOutput) -> CommandResult {
    let value = |argument: Option<sui_sdk_types::Argument>, value: &TypedBytes| {
        let mut bcs = Bcs::default();
        bcs.name = Some(value.type_.to_string());
        bcs.value = Some(value.bytes.clone().into());
        let mut message = CommandOutput::default();
        message.argument = argument.map(Into::into);
        message.value = Some(bcs);
        message
    };
    let mut result = CommandResult::default();
    result.return_values = output
        .returned
        .iter()
        .map(|returned| value(None, returned))
        .collect();
    result.mutated_by_ref = output
        .mutated
        .iter()
        .map(|(argument, mutated)| value(Some(*argument), mutated))
        .collect();
    result
}
