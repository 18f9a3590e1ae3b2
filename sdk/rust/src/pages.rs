//! Reads paged lists, entry by entry.

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
    /// The type of an entry.
    type Item: Send + Unpin;
    /// The query parameter with the number of entries to skip.
    #[doc(hidden)]
    const OFFSET: &'static str;
    /// Returns the entries of a page, and the number of entries in the whole list.
    #[doc(hidden)]
    fn page(answer: Self::Answer) -> (Vec<Self::Item>, u64);
}

impl<O: Paged> Call<O> {
    /// Reads the whole list, entry by entry. The next page is requested when the last one has been
    /// read. A limit sets the size of a page, an offset the first entry.
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
    /// The list may change while it is read: an entry can then appear twice or be missed. The
    /// stream ends after an error.
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
    /// Returns the next entry, without the need for a stream trait.
    pub async fn next(&mut self) -> Option<Result<O::Item, O::Error>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Returns the same list for a `for` loop, without `async`.
    ///
    /// # Panics
    ///
    /// Panics when it is read inside an `async` function: read the stream there.
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

    /// Takes a page, and finds out whether another one follows.
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

/// Shows nothing of the request's content.
impl<O: Paged> fmt::Debug for Pages<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pages")
            .field("operation", &O::ABOUT.name)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
