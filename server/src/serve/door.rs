//! The door: computes how many connections fit, and the service that accepts them.

use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::rc::Rc;

use actix_http::error::DispatchError;
use actix_service::{Service, ServiceFactory, always_ready};
use actix_web::rt::net::TcpStream;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Settings;
use crate::http::connection::{Lines, Patience, Stream};

/// The limits for the connections of each worker.
#[derive(Clone, Copy)]
pub struct Door {
    /// The most connections of one worker. Beyond it, one is closed for each new one.
    pub most: usize,
    /// The most bytes of unanswered requests, for all connections of one worker together.
    pub most_bytes: usize,
    /// How long a connection may keep us waiting.
    pub patience: Patience,
}

/// The most bytes of unanswered requests, for all connections together. It is 64 KiB for each of 500
/// slow clients. Connections that are just being closed hold half of it once more, and the buffers around all
/// these bytes need a multiple.
pub const UNANSWERED_BYTES: usize = 32 * 1024 * 1024;

impl Door {
    /// How many connections of one worker the kernel hands over at most. It is a few more than
    /// [`Self::most`], since one that is closed takes a moment to end.
    pub const fn accepted(&self) -> usize {
        self.most + spare(self.most)
    }
}

const fn spare(most: usize) -> usize {
    most / 16 + 4
}

impl ServiceFactory<TcpStream> for Door {
    type Response = (Stream, Option<SocketAddr>);
    type Error = DispatchError;
    type Config = ();
    type Service = Doorman;
    type InitError = ();
    type Future = Ready<Result<Doorman, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        ready(Ok(Doorman(Lines::new(
            self.most,
            self.most_bytes,
            self.patience,
        ))))
    }
}

/// Accepts the connections of one worker.
pub struct Doorman(Rc<Lines>);

impl Service<TcpStream> for Doorman {
    type Response = (Stream, Option<SocketAddr>);
    type Error = DispatchError;
    type Future = Ready<Result<Self::Response, DispatchError>>;

    always_ready!();

    fn call(&self, io: TcpStream) -> Self::Future {
        let peer = io.peer_addr().ok();
        ready(Ok((self.0.admit(io), peer)))
    }
}

/// Lets this process open as many files as allowed: raises the soft limit, which is 1,024 on many
/// systems, to the hard one.
pub fn open_all_doors() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(
            %error,
            limit = limit.current,
            "the limit of open files could not be raised, so fewer connections are possible"
        );
    }
}

/// Returns the most connections of one worker: what the setting says, or fewer if open files are
/// scarce.
pub fn most(settings: &Settings, threads: usize) -> usize {
    let wanted = settings.http_connections as usize;
    // Files for other purposes: the database (three for each connection), each worker's polling,
    // and the rest: listener, keys, mails under way, standard streams.
    let others = 3 * (settings.database_threads as usize + 2) + 8 * threads + 48;
    let files = getrlimit(Resource::Nofile).current;
    let files = files.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    });
    let fitting = files.saturating_sub(others);
    let fitting = fitting.saturating_sub(threads * spare(fitting / threads));
    if fitting < wanted {
        tracing::warn!(
            files,
            connections = fitting,
            "the limit of open files allows fewer connections than http_connections"
        );
    }
    (fitting.min(wanted) / threads).max(1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn open_files_bound_the_connections_and_are_raised() {
        let settings = Settings::for_test(Path::new("/x")).expect("the defaults");
        let before = getrlimit(Resource::Nofile);
        let short = Rlimit {
            current: Some(512),
            maximum: before.maximum,
        };
        setrlimit(Resource::Nofile, short).expect("lowered");
        for threads in [1, 2, 64] {
            let door = Door {
                most: most(&settings, threads),
                most_bytes: UNANSWERED_BYTES / threads,
                patience: Patience {
                    head: std::time::Duration::ZERO,
                    idle: std::time::Duration::ZERO,
                    write: std::time::Duration::ZERO,
                },
            };
            assert!(door.most >= 1, "{threads} threads");
            let all = door.accepted() * threads;
            assert!(all < 512 || threads == 64, "{all} by {threads} threads");
        }
        assert!(most(&settings, 1) > 300, "{}", most(&settings, 1));
        open_all_doors();
        assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
        assert_eq!(most(&settings, 1), 2048);
        setrlimit(Resource::Nofile, before).expect("as it was");
    }
}
