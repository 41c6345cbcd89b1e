//! Frames of the small requests: a length, compared with the cap before anything is allocated, and
//! BCS.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use serde::{Serialize, de::DeserializeOwned};

use super::request::{ControlAnswer, ControlRequest, MAX_ANSWER, MAX_REQUEST};

/// Reads and writes [`ControlRequest`]s and their answers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ControlCodec;

impl request_response::Codec for ControlCodec {
    type Protocol = StreamProtocol;
    type Request = ControlRequest;
    type Response = ControlAnswer;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<ControlRequest> {
        read(io, MAX_REQUEST).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<ControlAnswer> {
        read(io, MAX_ANSWER).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: ControlRequest,
    ) -> io::Result<()> {
        write(io, request, MAX_REQUEST).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        answer: ControlAnswer,
    ) -> io::Result<()> {
        write(io, answer, MAX_ANSWER).await
    }
}

async fn read<T: DeserializeOwned>(
    io: &mut (impl AsyncRead + Unpin + Send),
    max: usize,
) -> io::Result<T> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > max {
        return Err(invalid(format!(
            "a message of {length} bytes, at most {max} are allowed"
        )));
    }
    let mut bytes = vec![0; length];
    io.read_exact(&mut bytes).await?;
    bcs::from_bytes(&bytes).map_err(|error| invalid(error.to_string()))
}

async fn write(
    io: &mut (impl AsyncWrite + Unpin + Send),
    message: impl Serialize + Send,
    max: usize,
) -> io::Result<()> {
    let bytes = bcs::to_bytes(&message).map_err(|error| invalid(error.to_string()))?;
    // Whoever reads slowly has it kept once.
    drop(message);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    if bytes.len() > max {
        return Err(invalid(format!(
            "a message of {length} bytes, at most {max} are allowed"
        )));
    }
    io.write_all(&length.to_le_bytes()).await?;
    io.write_all(&bytes).await?;
    io.close().await
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
