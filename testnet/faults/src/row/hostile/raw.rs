//! Speaking to a node below the level at which requests are well-formed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use floe_chain::{epoch::Epoch, id::ObjectId};
use floe_codec::{BlobId, SegmentIndex};
use floe_p2p::{
    address::PeerAddress,
    identity::Identity,
    transport::{
        Connection, DataTransport, RecvStream,
        quic::{QuicSettings, QuicTransport},
    },
    wire::{
        Head, Request, RequestHead, ResponseHead, Status, TrafficClass, VarintReader,
        message::PutSliver,
    },
};
use tokio::time::timeout;

use crate::Attempt;

/// What became of one hostile stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A refusal with this status.
    Refused(&'static str),
    /// The stream was reset or stopped.
    Cut,
    /// It was served, as if it were honest.
    Served,
    /// Neither, in all the time.
    Hung,
}

/// A connection below the level at which requests are well-formed.
pub(crate) async fn connect(target: &PeerAddress) -> Attempt<(Arc<dyn Connection>, QuicTransport)> {
    let transport = QuicTransport::bind(&Identity::generate(), QuicSettings::client())?;
    let connection = transport.dial(target).await?;
    Ok((connection, transport))
}

/// Sends bytes on a stream of their own and waits for what comes of it.
pub(crate) async fn speak(connection: &dyn Connection, bytes: &[u8], patience: Duration) -> End {
    let talk = async {
        let Ok((mut send, recv)) = connection.open().await else {
            return End::Cut;
        };
        if send.send(Bytes::copy_from_slice(bytes)).await.is_ok() {
            send.finish();
        }
        answer(recv).await
    };
    timeout(patience, talk).await.unwrap_or(End::Hung)
}

/// The head of an answer, if there is one.
pub(crate) async fn answer(mut recv: RecvStream) -> End {
    let mut bytes = Vec::new();
    loop {
        match recv.chunk(64 << 10).await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) => return End::Cut,
        }
    }
    let mut length = VarintReader::default();
    let mut taken = 0;
    for byte in &bytes {
        taken += 1;
        if let Ok(Some(_)) = length.push(*byte) {
            break;
        }
    }
    match ResponseHead::from_bytes(bytes.get(taken..).unwrap_or_default()) {
        Ok(head) if head.status == Status::Ok => End::Served,
        Ok(head) => End::Refused(head.status.name()),
        // An answer with items begins with a head, too; what does not is no refusal.
        Err(_) => End::Served,
    }
}

/// Declares much and sends a byte now and then.
pub(crate) async fn drip(connection: &dyn Connection, number: usize) -> End {
    let put = PutSliver {
        blob: BlobId::from_bytes([7; 32]),
        object: ObjectId::from_bytes([7; 32]),
        segment: SegmentIndex(0),
        metadata: true,
        slivers: Vec::new().try_into().unwrap_or_default(),
        confirm: false,
    };
    let head = RequestHead {
        kind: PutSliver::KIND.0,
        epoch: Epoch::FIRST,
        deadline_ms: u32::MAX,
        class: TrafficClass::Write,
        payload: 1 << 20,
        body: put.to_body().unwrap_or_default(),
    };
    let frame = head.to_frame().unwrap_or_default();
    // Some never get to the end of their head.
    let told = if number.is_multiple_of(2) {
        frame.len()
    } else {
        frame.len() / 2
    };
    let Ok((mut send, recv)) = connection.open().await else {
        return End::Cut;
    };
    if send
        .send(Bytes::copy_from_slice(&frame[..told]))
        .await
        .is_err()
    {
        return End::Cut;
    }
    let feed = async {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if send.send(Bytes::from_static(&[0])).await.is_err() {
                return End::Cut;
            }
        }
    };
    tokio::select! {
        end = feed => end,
        end = answer(recv) => end,
    }
}
