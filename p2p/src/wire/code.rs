//! Why a stream was reset or a connection closed: numbers that are never reused.

use std::fmt;

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A number this version does not know.
            Unknown(u32),
        }

        impl $name {
            /// The number on the wire.
            #[must_use]
            pub const fn code(self) -> u32 {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Unknown(code) => code,
                }
            }

            /// The meaning of a number from the wire; every number has one.
            #[must_use]
            pub const fn from_code(code: u64) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    #[expect(clippy::cast_possible_truncation, reason = "larger numbers all mean the same: unknown")]
                    other => Self::Unknown(if other > u32::MAX as u64 { u32::MAX } else { other as u32 }),
                }
            }

            /// Every number with a meaning, for the protocol document and its test.
            pub const KNOWN: &[Self] = &[$(Self::$variant),*];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)*
                    Self::Unknown(code) => write!(f, "unknown code {code}"),
                }
            }
        }
    };
}

codes! {
    /// Why one direction of a stream was reset (by its sender) or stopped (by its receiver).
    ///
    /// # Layout
    /// The QUIC application error code of `RESET_STREAM` and `STOP_SENDING`.
    ResetCode {
        /// The result is no longer wanted; nobody did wrong.
        NotNeeded = 0, "no longer needed";
        /// The answer was given before the rest was read.
        Answered = 1, "already answered";
        /// The bytes break the protocol.
        BadRequest = 2, "malformed";
        /// The deadline of the request passed.
        Deadline = 3, "deadline passed";
        /// The transfer fell below the minimum throughput.
        TooSlow = 4, "too slow";
        /// The peer is going away.
        ShuttingDown = 5, "shutting down";
        /// The peer failed; it is not the other side's fault.
        Internal = 6, "internal failure";
        /// More streams, bytes or requests than allowed.
        Limit = 7, "over a limit";
    }
}

codes! {
    /// Why a connection was closed.
    ///
    /// # Layout
    /// The QUIC application error code of `CONNECTION_CLOSE`.
    CloseCode {
        /// No more use for it.
        Done = 0, "no longer needed";
        /// The certificate does not prove the expected peer.
        WrongPeer = 1, "wrong peer";
        /// Another connection to the same peer is kept instead.
        Duplicate = 2, "duplicate connection";
        /// The endpoint is going away.
        ShuttingDown = 3, "shutting down";
        /// No room for this connection now.
        Limit = 4, "over a limit";
        /// The peer is not welcome here.
        NotAuthorized = 5, "not authorized";
        /// The peer broke the protocol.
        Misbehaved = 6, "protocol violation";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_meanings_convert_both_ways() {
        for (number, code) in ResetCode::KNOWN.iter().enumerate() {
            assert_eq!(code.code() as usize, number);
            assert_eq!(ResetCode::from_code(number as u64), *code);
        }
        for (number, code) in CloseCode::KNOWN.iter().enumerate() {
            assert_eq!(code.code() as usize, number);
            assert_eq!(CloseCode::from_code(number as u64), *code);
        }
        assert_eq!(ResetCode::from_code(u64::MAX), ResetCode::Unknown(u32::MAX));
    }
}
