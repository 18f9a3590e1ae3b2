//! Lists that come in pages, entry by entry.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::Call;
use crate::call::{Answering, Operation};
use crate::client::Core;
use crate::client::request::Parts;

/// An operation whose answer is a page.
pub trait Paged: Operation {
    /// What is listed.
    type Item: Send + Unpin;
    /// The query parameter that says how many entries to skip.
    #[doc(hidden)]
    const OFFSET: &'static str;
    /// The entries of a page, and how many the whole list has.
    #[doc(hidden)]
    fn page(answer: Self::Answer) -> (Vec<Self::Item>, u64);
}

impl<O: Paged> Call<O> {
    /// The whole list, entry by entry: the next page is asked for when the last one has been read. A limit that was set is
    /// the size of a page, an offset where to begin.
    ///
    /// ```no_run
    /// # async fn list(client: countersign_sdk::Client) -> Result<(), countersign_sdk::Failure> {
    /// let mut users = client.list_users().limit(100).stream();
    /// while let Some(user) = users.next().await {
    ///     println!("{}", user?.email);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The list may change while it is read: an entry can then come twice, or be missed. After an error it has ended.
    pub fn stream(self) -> Pages<O> {
        let (core, parts) = self.into_parts();
        let begin = parts.query(O::OFFSET).and_then(|text| text.parse().ok());
        Pages {
            core,
            parts,
            next: Some(begin.unwrap_or_default()),
            page: VecDeque::new(),
            asked: None,
        }
    }
}

/// The entries of a list, as a [`Stream`]; see [`Call::stream`].
#[must_use = "nothing is asked for until the stream is read"]
pub struct Pages<O: Paged> {
    core: Core,
    parts: Parts,
    /// How many entries to skip for the next page, if there is one.
    next: Option<u64>,
    page: VecDeque<O::Item>,
    asked: Option<Answering<O>>,
}

impl<O: Paged> Pages<O> {
    /// The next entry, for who needs nothing else of a stream.
    pub async fn next(&mut self) -> Option<Result<O::Item, O::Error>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// The same list for a `for` loop, without `async`.
    ///
    /// # Panics
    ///
    /// When it is read inside of an `async` function: read the stream there.
    #[cfg(all(feature = "blocking", not(target_arch = "wasm32")))]
    #[cfg_attr(docsrs, doc(cfg(feature = "blocking")))]
    pub fn blocking(mut self) -> impl Iterator<Item = Result<O::Item, O::Error>> {
        std::iter::from_fn(move || crate::blocking::wait(self.next()))
    }

    fn ask(&self, offset: u64) -> Answering<O> {
        let mut parts = self.parts.clone();
        parts.set_query(O::OFFSET, offset.to_string());
        Call::from_parts(self.core.clone(), parts).into_future()
    }

    /// Takes a page in, and finds out whether another one follows.
    fn take(&mut self, offset: u64, answer: O::Answer) {
        let (entries, total) = O::page(answer);
        let read = offset + u64::try_from(entries.len()).unwrap_or(u64::MAX - offset);
        self.next = (!entries.is_empty() && read < total).then_some(read);
        self.page.extend(entries);
    }
}

impl<O: Paged> Stream for Pages<O> {
    type Item = Result<O::Item, O::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(entry) = self.page.pop_front() {
                return Poll::Ready(Some(Ok(entry)));
            }
            let Some(offset) = self.next else {
                return Poll::Ready(None);
            };
            let mut asked = match self.asked.take() {
                Some(asked) => asked,
                None => self.ask(offset),
            };
            match Pin::new(&mut asked).poll(context) {
                Poll::Pending => {
                    self.asked = Some(asked);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(answer)) => self.take(offset, answer),
                Poll::Ready(Err(error)) => {
                    self.next = None;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

/// Nothing of what is sent is shown.
impl<O: Paged> fmt::Debug for Pages<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pages")
            .field("operation", &O::ABOUT.name)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
