//! Connections: what each is doing, how long it may keep us waiting, and which one gives way when there is no room.
//!
//! The framework times the first head of a connection and the idle time after an answer. It does not time the
//! head of a second request, nor an answer that nobody takes; both are timed here. Bodies are timed where
//! they are read, since they are refused in the words of an API.
//!
//! Memory is bounded for all connections of a worker together, since the framework reads up to 128 KiB of a head
//! from each: past [`Lines`]' limit the connection that sent most without an answer gives way.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nothing of the next request has come.
    Idle,
    /// The head of a request is coming.
    Head,
    /// The body of a request is coming.
    Body,
    /// A request is answered.
    Busy,
}

/// How long a connection may keep us waiting.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a head, once it has begun.
    pub head: Duration,
    /// For the next request.
    pub idle: Duration,
    /// For a client that takes nothing of its answer.
    pub write: Duration,
}

/// What is known of one connection; its requests carry it as connection data.
pub struct Line {
    phase: Cell<Phase>,
    since: Cell<Instant>,
    /// When the client last took some of an answer.
    took: Cell<Instant>,
    given_up: Cell<bool>,
    task: RefCell<Option<Waker>>,
    /// Bytes that came and belong to no answered request.
    unanswered: Cell<usize>,
    /// Bytes of the request that is being answered.
    handled: Cell<usize>,
    /// The unanswered bytes of all connections of this worker.
    of_all: Rc<Cell<usize>>,
}

impl Line {
    fn new(of_all: Rc<Cell<usize>>) -> Self {
        let now = Instant::now();
        Self {
            unanswered: Cell::new(0),
            handled: Cell::new(0),
            of_all,
            phase: Cell::new(Phase::Idle),
            since: Cell::new(now),
            took: Cell::new(now),
            given_up: Cell::new(false),
            task: RefCell::new(None),
        }
    }

    /// What it is doing.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// That it is doing something else now.
    pub fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(Instant::now());
        if phase == Phase::Idle {
            self.answered();
        }
    }

    /// That so many of the bytes that came belong to the request that is being answered.
    pub fn handle(&self, bytes: usize) {
        self.handled.set(self.handled.get() + bytes);
    }

    /// What is left after an answer is the beginning of the next request, unless it is too little to be more
    /// than the imprecision of counting heads.
    fn answered(&self) {
        let left = self.unanswered.get().saturating_sub(self.handled.take());
        self.hold(if left < IMPRECISION { 0 } else { left });
    }

    /// That it holds so many unanswered bytes now.
    fn hold(&self, bytes: usize) {
        let before = self.unanswered.replace(bytes);
        self.of_all.set(self.of_all.get() - before + bytes);
    }

    /// When it is given up unless more of a request comes; `None` where others watch.
    fn end(&self, patience: Patience) -> Option<Instant> {
        let since = self.since.get();
        match self.phase() {
            // A long answer may still be on its way.
            Phase::Idle => Some(since.max(self.took.get()) + patience.idle),
            Phase::Head => Some(since + patience.head),
            Phase::Body | Phase::Busy => None,
        }
    }

    /// Ends it at its next turn, and gives it that turn.
    fn give_up(&self) {
        self.given_up.set(true);
        self.hold(0);
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    fn remember(&self, cx: &Context<'_>) {
        self.task.replace(Some(cx.waker().clone()));
    }
}

/// Bytes of a head that may be counted wrongly: spaces around values, the version, the ends of lines.
const IMPRECISION: usize = 1024;

/// The connections of one worker, so many at most.
pub struct Lines {
    most: usize,
    /// Bytes of requests without an answer at most, of all connections together.
    most_bytes: usize,
    unanswered: Rc<Cell<usize>>,
    patience: Patience,
    next: Cell<u64>,
    open: RefCell<BTreeMap<u64, Rc<Line>>>,
}

impl Lines {
    /// None yet.
    pub fn new(most: usize, most_bytes: usize, patience: Patience) -> Rc<Self> {
        Rc::new(Self {
            most,
            most_bytes,
            unanswered: Rc::default(),
            patience,
            next: Cell::new(0),
            open: RefCell::new(BTreeMap::new()),
        })
    }

    /// Takes one more. Past the most, the one that has sent nothing for longest gives way: first among
    /// those that wait for a request, then among those that owe a body. One that is answered never does.
    pub fn admit(self: &Rc<Self>, io: TcpStream) -> Stream {
        self.make_room();
        let (number, line) = (
            self.next.get(),
            Rc::new(Line::new(Rc::clone(&self.unanswered))),
        );
        self.next.set(number + 1);
        self.open.borrow_mut().insert(number, Rc::clone(&line));
        Stream {
            io,
            line,
            number,
            lines: Rc::clone(self),
            waiting: None,
            stalled: None,
        }
    }

    fn make_room(&self) {
        let open = self.open.borrow();
        let staying = open.values().filter(|line| !line.given_up.get());
        if staying.clone().count() < self.most {
            return;
        }
        let may_go = staying.filter(|line| line.phase() != Phase::Busy);
        let oldest = may_go.min_by_key(|line| (line.phase() == Phase::Body, line.since.get()));
        if let Some(line) = oldest {
            line.give_up();
        }
    }
}

impl Lines {
    /// Counts what came of a request; past the most, the connections that hold most give way. One that is answered
    /// never does.
    fn count(&self, line: &Line, bytes: usize) {
        line.hold(line.unanswered.get() + bytes);
        while self.unanswered.get() > self.most_bytes {
            let open = self.open.borrow();
            let may_go = open.values().filter(|line| line.phase() != Phase::Busy);
            let largest = may_go.max_by_key(|line| line.unanswered.get());
            match largest.filter(|line| line.unanswered.get() > 0) {
                Some(line) => line.give_up(),
                None => return,
            }
        }
    }
}

/// A connection's bytes.
pub struct Stream {
    io: TcpStream,
    line: Rc<Line>,
    number: u64,
    lines: Rc<Lines>,
    /// Until when the next bytes are waited for.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    /// Until when the client may leave an answer untaken.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    /// What is known of it.
    pub fn line(&self) -> &Rc<Line> {
        &self.line
    }

    /// Whether it has kept us waiting for too long; if not yet, this task is woken when it has.
    fn is_too_late(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(end) = self.line.end(self.lines.patience) else {
            self.waiting = None;
            return false;
        };
        match &mut self.waiting {
            Some((known, _)) if *known == end => {}
            Some((known, timer)) => {
                *known = end;
                timer.as_mut().reset(end);
            }
            None => self.waiting = Some((end, Box::pin(sleep_until(end)))),
        }
        let timer = self.waiting.as_mut();
        timer.is_some_and(|(_, timer)| timer.as_mut().poll(cx).is_ready())
    }

    /// Whether the client has taken nothing of its answer for too long.
    fn is_stalled(&mut self, cx: &mut Context<'_>) -> bool {
        let patience = self.lines.patience.write;
        let timer = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        timer.as_mut().poll(cx).is_ready()
    }

    fn written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            self.line.took.set(Instant::now());
            return written;
        }
        self.line.remember(cx);
        if self.is_stalled(cx) {
            self.line.given_up.set(true);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.line.hold(0);
        self.lines.open.borrow_mut().remove(&self.number);
    }
}

impl AsyncRead for Stream {
    /// The end of the stream once it is given up: the framework then closes it.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.line.given_up.get() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.io).poll_read(cx, buffer) {
            let came = buffer.filled().len() - before;
            if this.line.phase() == Phase::Idle && came > 0 {
                this.line.enter(Phase::Head);
            }
            this.lines.count(&this.line, came);
            return Poll::Ready(read);
        }
        this.line.remember(cx);
        if this.is_too_late(cx) {
            this.line.given_up.set(true);
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.line.given_up.get() && this.line.phase() == Phase::Idle {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.written(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
