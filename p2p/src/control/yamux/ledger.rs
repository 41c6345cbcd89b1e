//! How much a connection of yamux holds: bytes that came and were not read, and bytes that were written and
//! did not leave. The library bounds both for a stream only, at 256 and 176 KiB, and a peer opens hundreds.
//! Pure.

use std::collections::HashMap;

use yamux::Mode;

/// Bytes that came and were not read, above which nothing more is taken from the socket.
const UNREAD: usize = 64 << 10;
/// Bytes that were written and did not leave, above which streams wait.
const UNSENT: isize = 64 << 10;
/// The longest body of a frame. Nobody's implementation sends longer ones.
const LONGEST: usize = 64 << 10;
/// What a frame costs beside its bytes.
const FRAME: usize = 64;
/// Streams known at once: as many as the library has, and some that it has not forgotten yet.
const KNOWN: usize = super::STREAMS + 128;

/// Bytes of a frame's head.
const HEAD: usize = 12;
/// The type of a frame with bytes for a stream, and the one after it that may open a stream, too.
const DATA: u8 = 0;
const WINDOW_UPDATE: u8 = 1;
/// The flags of a frame that opens its stream, and of one that ends it: nothing is opened by both.
const SYN: u8 = 1;
const RST: u8 = 8;

/// What nobody sends for good.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Excess {
    /// A frame.
    #[error("a yamux frame of {length} bytes")]
    Frame { length: usize },
    /// Streams that are opened and not used.
    #[error("more than {KNOWN} yamux streams")]
    Streams,
}

/// What both ways hold.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Of the streams that the peer opens, whether their numbers are odd.
    odd: bool,
    came: Frames,
    /// Of every stream that was opened and that the library has not forgotten.
    streams: HashMap<u32, Unread>,
    unread: usize,
    /// Streams that were dropped.
    gone: Vec<u32>,
    left: Frames,
    /// Below zero while the connection is faster than the stream that wrote.
    unsent: isize,
}

#[derive(Debug, Default)]
struct Unread {
    bytes: usize,
    /// Frames since the stream was last read to the end.
    frames: usize,
}

impl Unread {
    const fn cost(&self) -> usize {
        self.bytes + self.frames * FRAME
    }
}

impl Ledger {
    pub(super) fn new(mode: Mode) -> Self {
        Self {
            odd: mode == Mode::Server,
            ..Self::default()
        }
    }

    /// Whether more may be taken from the socket. A frame that began is taken whole: nobody can read it before.
    pub(super) const fn may_take(&self) -> bool {
        self.unread < UNREAD || !self.came.is_between()
    }

    /// Bytes were taken from the socket.
    pub(super) fn came(&mut self, bytes: &[u8]) -> Result<(), Excess> {
        let (streams, unread, odd) = (&mut self.streams, &mut self.unread, self.odd);
        let mut longest = 0;
        self.came.pass(bytes, |part| match part {
            Part::Head { id, opens, length } => {
                longest = longest.max(length);
                if opens && (id % 2 == 1) == odd {
                    streams.entry(id).or_default();
                }
                if length > 0
                    && let Some(stream) = streams.get_mut(&id)
                {
                    stream.frames += 1;
                    *unread += FRAME;
                }
            }
            Part::Body { id, length } => {
                // Of a stream that it does not know the library keeps nothing.
                if let Some(stream) = streams.get_mut(&id) {
                    stream.bytes += length;
                    *unread += length;
                }
            }
        });
        if longest > LONGEST {
            return Err(Excess::Frame { length: longest });
        }
        if self.streams.len() > KNOWN {
            return Err(Excess::Streams);
        }
        Ok(())
    }

    /// This side opened a stream.
    pub(super) fn opened(&mut self, id: u32) {
        self.streams.entry(id).or_default();
    }

    /// Bytes of a stream were read.
    pub(super) fn read(&mut self, id: u32, length: usize) {
        if let Some(stream) = self.streams.get_mut(&id) {
            self.unread -= stream.cost();
            stream.bytes = stream.bytes.saturating_sub(length);
            if stream.bytes == 0 {
                stream.frames = 0;
            }
            self.unread += stream.cost();
        }
    }

    /// Nobody reads a stream any more. The library keeps what came, and what still comes, until it notices.
    pub(super) fn dropped(&mut self, id: u32) {
        self.gone.push(id);
    }

    /// Streams dropped so far.
    pub(super) const fn gone(&self) -> usize {
        self.gone.len()
    }

    /// The library has noticed that the first `count` streams were dropped.
    pub(super) fn forget(&mut self, count: usize) {
        for id in self.gone.drain(..count) {
            if let Some(stream) = self.streams.remove(&id) {
                self.unread -= stream.cost();
            }
        }
    }

    /// Whether a stream may write.
    pub(super) const fn may_write(&self) -> bool {
        self.unsent < UNSENT
    }

    /// A stream wrote a frame's body.
    pub(super) const fn wrote(&mut self, length: usize) {
        if length > 0 {
            self.unsent += (length + FRAME).cast_signed();
        }
    }

    /// Bytes went into the socket.
    pub(super) fn left(&mut self, bytes: &[u8]) {
        let unsent = &mut self.unsent;
        self.left.pass(bytes, |part| {
            let gone = match part {
                Part::Head { length: 0, .. } => 0,
                Part::Head { .. } => FRAME,
                Part::Body { length, .. } => length,
            };
            *unsent -= gone.cast_signed();
        });
    }
}

/// What passes one way.
#[derive(Debug, Default)]
struct Frames {
    head: [u8; HEAD],
    filled: usize,
    /// Bytes of the body that are still to pass.
    left: usize,
}

enum Part {
    Head { id: u32, opens: bool, length: usize },
    Body { id: u32, length: usize },
}

impl Frames {
    const fn is_between(&self) -> bool {
        self.filled == 0
    }

    fn pass(&mut self, mut bytes: &[u8], mut part: impl FnMut(Part)) {
        while !bytes.is_empty() {
            if self.filled < HEAD {
                let (now, rest) = bytes.split_at(bytes.len().min(HEAD - self.filled));
                self.head[self.filled..self.filled + now.len()].copy_from_slice(now);
                self.filled += now.len();
                bytes = rest;
                if self.filled < HEAD {
                    return;
                }
                let [_, kind, _, flags, a, b, c, d, e, f, g, h] = self.head;
                let id = u32::from_be_bytes([a, b, c, d]);
                let opens = matches!(kind, DATA | WINDOW_UPDATE) && flags & (SYN | RST) == SYN;
                let length = usize::try_from(u32::from_be_bytes([e, f, g, h]));
                self.left = length.unwrap_or(usize::MAX);
                if kind != DATA {
                    self.left = 0;
                }
                part(Part::Head {
                    id,
                    opens,
                    length: self.left,
                });
            } else {
                let [.., a, b, c, d, _, _, _, _] = self.head;
                let id = u32::from_be_bytes([a, b, c, d]);
                let length = bytes.len().min(self.left);
                bytes = &bytes[length..];
                self.left -= length;
                part(Part::Body { id, length });
            }
            if self.left == 0 {
                self.filled = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, id: u32, length: usize) -> Vec<u8> {
        let mut frame = vec![0, kind, 0, flags];
        frame.extend(id.to_be_bytes());
        frame.extend(u32::try_from(length).unwrap().to_be_bytes());
        if kind == DATA {
            frame.resize(HEAD + length, 7);
        }
        frame
    }

    #[test]
    fn what_is_not_read_stops_the_socket_until_it_is_read_or_dropped() {
        let mut ledger = Ledger::new(Mode::Server);
        ledger
            .came(&frame(WINDOW_UPDATE, SYN, 1, 256 << 10))
            .unwrap();
        ledger.opened(2);
        let mut frames = 0;
        while ledger.may_take() {
            let id = 1 + frames % 2;
            ledger.came(&frame(DATA, 0, id, 1_000)).unwrap();
            frames += 1;
        }
        assert_eq!(frames, 62, "each costs 1,064");
        // Nobody reads what belongs to no stream; nothing is kept of it.
        ledger.came(&frame(DATA, 0, 9, LONGEST)).unwrap();
        assert!(!ledger.streams.contains_key(&9));
        ledger.read(1, 30_999);
        assert!(ledger.may_take());
        assert_eq!(ledger.unread, 1 + 31 * FRAME + 31 * 1_064);
        ledger.read(1, 1);
        ledger.dropped(2);
        ledger.came(&frame(DATA, 0, 2, 1_000)).unwrap();
        assert_eq!(
            ledger.unread,
            32 * 1_064,
            "it is kept until the library notices"
        );
        ledger.forget(ledger.gone());
        assert_eq!(ledger.unread, 0, "frames read to the end cost nothing");
    }

    #[test]
    fn small_frames_cost_more_than_their_bytes_and_long_ones_are_refused() {
        let mut ledger = Ledger::new(Mode::Server);
        let mut frames = 0;
        while ledger.may_take() {
            ledger.came(&frame(DATA, SYN, 1, 1)).unwrap();
            frames += 1;
        }
        assert_eq!(frames, UNREAD.div_ceil(FRAME + 1));
        let length = LONGEST + 1;
        let head = &frame(DATA, 0, 9, length)[..HEAD];
        assert_eq!(ledger.came(head), Err(Excess::Frame { length }));
    }

    #[test]
    fn streams_that_the_library_never_has_are_not_known_and_others_are_bounded() {
        let mut ledger = Ledger::new(Mode::Server);
        for id in 0..2_000 {
            ledger.came(&frame(DATA, SYN | RST, 2 * id + 1, 0)).unwrap();
            ledger.came(&frame(WINDOW_UPDATE, SYN, 2 * id, 0)).unwrap();
        }
        assert!(ledger.streams.is_empty());
        let opened = (0..).map(|id| ledger.came(&frame(DATA, SYN, 2 * id + 1, 0)));
        let opened: Vec<_> = opened.take_while(Result::is_ok).collect();
        assert_eq!(opened.len(), KNOWN);
    }

    #[test]
    fn what_left_before_it_was_counted_does_not_count() {
        let mut ledger = Ledger::default();
        for _ in 0..100 {
            ledger.left(&frame(DATA, 0, 1, 16 << 10));
            ledger.wrote(16 << 10);
        }
        assert_eq!(ledger.unsent, 0);
    }

    proptest! {
        /// However the bytes are cut, what came and what left is the same.
        #[test]
        fn cuts_do_not_matter(
            frames in prop::collection::vec((0..4_u8, 0..2_u8, 0..4_u32, 0..3_000_usize), 0..20),
            cuts in prop::collection::vec(1..5_000_usize, 1..50),
        ) {
            let (mut whole, mut cut) = (Ledger::new(Mode::Server), Ledger::new(Mode::Server));
            let mut all = Vec::new();
            for (kind, flags, id, length) in frames {
                let frame = frame(kind, flags, id, length);
                whole.came(&frame).unwrap();
                if kind == DATA && length > 0 {
                    cut.wrote(length);
                }
                prop_assert!(whole.came.is_between());
                all.extend(frame);
            }
            let (mut rest, mut cuts) = (&all[..], cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                cut.came(now).unwrap();
                cut.left(now);
                rest = later;
            }
            prop_assert_eq!(cut.unread, whole.unread);
            prop_assert_eq!(cut.unread, cut.streams.values().map(Unread::cost).sum::<usize>());
            prop_assert_eq!(cut.unsent, 0);
        }
    }
}
