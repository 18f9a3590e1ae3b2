//! Watches connections: what each one is doing, how long it may keep us waiting, and which one is
//! closed when there is no room.
//!
//! The framework limits the time for the first head of a connection and the idle time after an
//! answer. It limits neither the head of a second request nor an answer that the client does not
//! read. Both are limited here. Bodies are limited where they are read, since each API words that
//! refusal itself.
//!
//! Memory is bounded for all connections of a worker together, since the framework reads up to 128
//! KiB of a head from each. Beyond the limit of [`Lines`], the connection with the most unanswered
//! bytes is closed. Its memory is free only once its task has had its turn, so nothing more is read
//! in between if many bytes wait for that.

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

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// No byte of the next request has arrived.
    Idle,
    /// The head of a request is arriving.
    Head,
    /// The body of a request is arriving.
    Body,
    /// A request is being answered.
    Busy,
}

/// How long a connection may keep us waiting in each state.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a head, from its first byte on.
    pub head: Duration,
    /// For the next request.
    pub idle: Duration,
    /// For a client that reads nothing of its answer.
    pub write: Duration,
}

/// The state of one connection. Its requests carry it as connection data.
pub struct Line {
    phase: Cell<Phase>,
    since: Cell<Instant>,
    /// When the client last read part of an answer.
    took: Cell<Instant>,
    given_up: Cell<bool>,
    task: RefCell<Option<Waker>>,
    /// Bytes that have arrived and belong to no answered request.
    unanswered: Cell<usize>,
    /// Bytes of the request that is being answered.
    handled: Cell<usize>,
    /// Unanswered bytes of all connections of this worker.
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

    /// Returns the connection's phase.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Changes the connection's phase.
    pub fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(Instant::now());
        if phase == Phase::Idle {
            self.answered();
        }
    }

    /// Counts this many of the bytes that arrived as part of the request that is being answered.
    pub fn handle(&self, bytes: usize) {
        self.handled.set(self.handled.get() + bytes);
    }

    /// What is left after an answer is the beginning of the next request. A remainder below
    /// [`IMPRECISION`] is ignored.
    fn answered(&self) {
        let left = self.unanswered.get().saturating_sub(self.handled.take());
        self.hold(if left < IMPRECISION { 0 } else { left });
    }

    /// Sets the number of unanswered bytes.
    fn hold(&self, bytes: usize) {
        let before = self.unanswered.replace(bytes);
        self.of_all.set(self.of_all.get() - before + bytes);
    }

    /// Returns when the connection is closed unless more of a request arrives; `None` if other code
    /// limits the time.
    fn end(&self, patience: Patience) -> Option<Instant> {
        let since = self.since.get();
        match self.phase() {
            // A long answer may still be on its way.
            Phase::Idle => Some(since.max(self.took.get()) + patience.idle),
            Phase::Head => Some(since + patience.head),
            Phase::Body | Phase::Busy => None,
        }
    }

    /// Marks the connection to be closed, and wakes its task to do so.
    fn give_up(&self) {
        self.given_up.set(true);
        self.hold(0);
        // The head is dropped. The rest of the answer before it is not sent, since the client could
        // take its time to read it.
        if self.phase() == Phase::Head {
            self.phase.set(Phase::Idle);
        }
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    fn remember(&self, cx: &Context<'_>) {
        self.task.replace(Some(cx.waker().clone()));
    }
}

/// How many bytes of a head may be miscounted: spaces around values, the version, line ends.
const IMPRECISION: usize = 1024;

/// The connections of one worker, up to a maximum.
pub struct Lines {
    most: usize,
    /// The most bytes of unanswered requests, for all connections together.
    most_bytes: usize,
    unanswered: Rc<Cell<usize>>,
    /// All bytes that connections held when they were given up, since the start.
    given_up: Cell<u64>,
    patience: Patience,
    next: Cell<u64>,
    open: RefCell<BTreeMap<u64, Rc<Line>>>,
}

impl Lines {
    /// Starts without connections.
    pub fn new(most: usize, most_bytes: usize, patience: Patience) -> Rc<Self> {
        Rc::new(Self {
            most,
            most_bytes,
            unanswered: Rc::default(),
            given_up: Cell::new(0),
            patience,
            next: Cell::new(0),
            open: RefCell::new(BTreeMap::new()),
        })
    }

    /// Adds a connection. At the maximum, the connection that has sent nothing for the longest time
    /// is closed: first among those that wait for a request, then among those that still have to
    /// send a body. A connection whose request is being answered is never closed.
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
            seen: self.given_up.get(),
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
            self.give_up(line);
        }
    }

    fn give_up(&self, line: &Line) {
        let bytes = line.unanswered.get() as u64;
        self.given_up.set(self.given_up.get() + bytes);
        line.give_up();
    }
}

impl Lines {
    /// Counts bytes of a request. Beyond the limit, the connections with the most unanswered bytes
    /// are closed. A connection whose request is being answered is never closed.
    fn count(&self, line: &Line, bytes: usize) {
        line.hold(line.unanswered.get() + bytes);
        while self.unanswered.get() > self.most_bytes {
            let open = self.open.borrow();
            let may_go = open.values().filter(|line| line.phase() != Phase::Busy);
            let largest = may_go.max_by_key(|line| line.unanswered.get());
            match largest.filter(|line| line.unanswered.get() > 0) {
                Some(line) => self.give_up(line),
                None => return,
            }
        }
    }
}

/// The byte stream of a connection.
pub struct Stream {
    io: TcpStream,
    line: Rc<Line>,
    number: u64,
    lines: Rc<Lines>,
    /// What [`Lines::given_up`] was when this connection last let others go first.
    seen: u64,
    /// The deadline for the next bytes.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    /// The deadline for the client to read part of its answer.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    /// Returns the connection's state.
    pub fn line(&self) -> &Rc<Line> {
        &self.line
    }

    /// Tells whether many bytes were given up since this connection last let others go first.
    ///
    /// Tasks have their turns in the order in which they were woken. A task that is woken again now
    /// has its next turn after all those that were given up, and these have ended by then. So they
    /// never hold more than half of what is allowed, and nobody waits unless others were given up.
    fn lets_others_end(&mut self) -> bool {
        let given_up = self.lines.given_up.get();
        let many = given_up - self.seen > self.lines.most_bytes as u64 / 2;
        if many {
            self.seen = given_up;
        }
        many
    }

    /// Tells whether the connection has kept us waiting for too long. If not yet, wakes this task
    /// when it has.
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

    /// Tells whether the client has read nothing of its answer for too long.
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
    /// Reports the end of the stream once the connection is given up. The framework then closes it.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.line.given_up.get() {
            return Poll::Ready(Ok(()));
        }
        if this.lets_others_end() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
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
