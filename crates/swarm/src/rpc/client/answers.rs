//! Reads the answers of one call.

use crate::rpc::{
    call_stream::{CallStream, ReadError},
    decoder::{DecodeError, Decoder},
    limits::Limits,
    method::Method,
    response::{ErrorType, Response},
    wire::Wire,
};
use cluster_core::ports::rpc::CallError;
use opentelemetry::Context;
use std::fmt::Display;

/// The stream of a call, and where in its answers it is.
pub(super) struct Answers {
    pub(super) stream: CallStream,
    method: Method,
    /// Whether the header of the next value was read already.
    header_read: bool,
    /// Bytes of all values so far.
    pub(super) bytes_read: usize,
    /// The call in a trace, which ends with its answers.
    _span: Context,
}

impl Answers {
    /// Reads what comes on `stream` as answers of `method`.
    pub(super) fn new(stream: CallStream, method: Method, span: Context) -> Self {
        Self { stream, method, header_read: false, bytes_read: 0, _span: span }
    }

    /// Reads the next value; `None` after the last one.
    ///
    /// # Errors
    /// When the peer answered with an error, or with something that is no answer.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn next<T: Wire>(&mut self) -> Result<Option<T>, CallError> {
        let Self { stream, method, header_read, bytes_read, .. } = self;
        if !*header_read {
            let header = stream.read_value(Limits::RESPONSE).await.map_err(|e| read_error(*method, e))?;
            let Some(header) = header else { return Ok(None) };
            let response = Response::read(&mut Decoder::new(header)).map_err(|e| bad_answer(*method, e))?;
            if response.is_failure() {
                // What follows says nothing more.
                return Err(failure(*method, response));
            }
            *header_read = true;
        }
        let value = stream.read_value(method.reply_limits()).await.map_err(|e| read_error(*method, e))?;
        let value = value.ok_or_else(|| bad_answer(*method, ReadError::EndsEarly))?;
        *header_read = false;
        *bytes_read += value.len();
        let value = T::read(&mut Decoder::new(value)).map_err(|e: DecodeError| bad_answer(*method, e))?;
        Ok(Some(value))
    }
}

/// Says that the peer answered `method` with something that is no answer.
pub(super) fn bad_answer(method: Method, cause: impl Display) -> CallError {
    CallError::BadAnswer { method: method.full_name(), cause: cause.to_string() }
}

fn read_error(method: Method, error: ReadError) -> CallError {
    match error {
        ReadError::Broken(error) => CallError::Unreachable { cause: error.to_string() },
        ReadError::EndsEarly | ReadError::Bad(_) => bad_answer(method, error),
    }
}

fn failure(method: Method, response: Response) -> CallError {
    if response.error_type == ErrorType::Authorization as i64 {
        CallError::Refused { method: method.full_name() }
    } else {
        let silent = response.error.is_empty();
        CallError::Failed { message: if silent { "unknown error".to_owned() } else { response.error } }
    }
}
