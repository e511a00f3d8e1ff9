//! Reading so that nothing is lost and nothing written twice when the engine dies, and going on after one that did.

use std::sync::mpsc::Receiver;

use aplomb_platform::StreamId;

use super::{Loop, ReadOnce, Told};
use crate::hold::{Hold, Leftover};
use crate::outlet::ToPump;

impl Loop {
    /// As [`Loop::read_into`], so that nothing is lost and nothing written twice if we die in the middle.
    pub(super) fn read_held(
        &mut self,
        id: StreamId,
        hold: &Hold,
        pipe: u64,
        buffer: &mut [u8],
    ) -> ReadOnce {
        let waiting = self.with_port(|port| port.waiting(id)).unwrap_or(0);
        // As much as is known to be there, so that it is known how much was read. With nothing there it is the end.
        let asked = waiting.clamp(1, buffer.len());
        hold.take(pipe, asked, buffer);
        let buffer = &mut buffer[..asked];
        let outcome = self.read_into(id, buffer);
        match self.ways.get(&id).filter(|_| outcome == ReadOnce::Some) {
            Some(way) => hold.written(pipe, buffer, way.stream.begun()),
            None => hold.drop_it(),
        }
        outcome
    }

    pub(super) fn pipe_of(&mut self, id: StreamId) -> Option<u64> {
        self.hold.as_ref()?;
        let known = self.ways.get(&id)?.pipe;
        if known.is_some() {
            return known;
        }
        let pipe = self.with_port(|port| port.identity(id));
        self.ways.get_mut(&id)?.pipe = pipe;
        pipe
    }

    /// A run has ended: a line that was begun is complete.
    pub(super) fn finish(&mut self, id: StreamId) {
        let begun = self
            .ways
            .get(&id)
            .is_some_and(|way| !way.stream.begun().is_empty());
        let held = match (self.hold.clone(), self.pipe_of(id)) {
            (Some(hold), Some(pipe)) if begun => Some((hold, pipe)),
            (Some(_) | None, _) => None,
        };
        if let Some((hold, pipe)) = &held {
            hold.take(*pipe, 0, &mut []);
        }
        self.with_way(id, |way, now, desk| way.stream.finish(now, desk));
        if let Some((hold, pipe)) = &held {
            hold.written(*pipe, &[], &[]);
        }
    }

    // ---- after an engine that died ----

    /// Brings the log files back to where they were before the chunk the dead engine had in hand, and waits until its
    /// pipe, and those with beginnings of lines, are found or known to be gone. Only then anything is read.
    pub(super) fn recover(&mut self, leftover: Leftover, inbox: &Receiver<ToPump>) -> Told {
        if leftover.begun.is_empty() && leftover.chunk.is_none() {
            if let Some(hold) = &self.hold {
                hold.drop_it();
            }
            return Told::GoOn;
        }
        if let Some((_, _, steps)) = &leftover.chunk {
            aplomb_logs::undo(steps);
        }
        if let Some(hold) = &self.hold {
            hold.undone();
        }
        self.leftover = Some(leftover);
        while self.leftover.is_some() {
            match inbox.recv() {
                Ok(ToPump::Begin) => self.go_on(),
                Ok(message) => {
                    let told = self.told(message);
                    if told != Told::GoOn {
                        return Told::Quit;
                    }
                }
                Err(_) => return Told::Quit,
            }
        }
        Told::GoOn
    }

    /// The beginning of a line this pipe has brought.
    pub(super) fn found(&mut self, id: StreamId) {
        let Some(pipe) = self.pipe_of(id) else {
            return;
        };
        let leftover = self.leftover.as_mut();
        if let Some(begun) = leftover.and_then(|leftover| leftover.begun.remove(&pipe)) {
            self.with_way(id, |way, now, desk| way.stream.write(&begun, now, desk));
        }
    }

    /// All are found that are there: the chunk is written once more, and what belongs to nobody is forgotten.
    fn go_on(&mut self) {
        let (Some(leftover), Some(hold)) = (self.leftover.take(), self.hold.clone()) else {
            return;
        };
        let chunk = leftover.chunk.and_then(|(pipe, chunk, _)| {
            let of = self.ways.iter().find(|(_, way)| way.pipe == Some(pipe));
            of.map(|(id, _)| (*id, pipe, chunk))
        });
        match chunk {
            // It was finishing a run's last line.
            Some((id, _, chunk)) if chunk.is_empty() => self.finish(id),
            Some((id, pipe, chunk)) => {
                self.take(id, &chunk);
                let begun = self.ways.get(&id).map(|way| way.stream.begun().to_vec());
                hold.written(pipe, &chunk, &begun.unwrap_or_default());
            }
            None => hold.drop_it(),
        }
        for pipe in leftover.begun.keys() {
            hold.forget(*pipe);
        }
    }
}
