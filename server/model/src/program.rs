//! What the program of a request calls itself, for its owner to recognise a session by.

tokio::task_local! {
    static PROGRAM: Program;
}

/// The longest name that is kept, in characters.
const LONGEST: usize = 200;

/// The name of the program that sent a request (`User-Agent`). It says whatever its sender likes.
#[derive(Clone, Debug, Default)]
pub struct Program(Option<String>);

impl Program {
    /// Reads the header. Characters that are not plain are left out, and a long name is cut.
    pub fn sent(header: Option<&[u8]>) -> Self {
        let plain = header.unwrap_or_default().iter().map(|byte| *byte as char);
        let plain = plain.filter(|one| one.is_ascii_graphic() || *one == ' ');
        let name: String = plain.take(LONGEST).collect();
        let name = name.trim();
        Self((!name.is_empty()).then(|| name.to_owned()))
    }

    /// Returns the program of the current request; outside of requests, none.
    pub fn of_this_request() -> Option<String> {
        PROGRAM.try_with(|program| program.0.clone()).ok().flatten()
    }

    /// Runs `request` as one of this program.
    pub async fn of<T>(self, request: impl Future<Output = T>) -> T {
        PROGRAM.scope(self, request).await
    }
}

#[cfg(test)]
mod tests {
    use super::Program;

    #[test]
    fn a_name_is_plain_and_short() {
        let read = |sent: &[u8]| Program::sent(Some(sent)).0;
        assert_eq!(read(b"curl/8.5.0").as_deref(), Some("curl/8.5.0"));
        assert_eq!(read(b" a\tb\x1b[31m\xff ").as_deref(), Some("ab[31m"));
        assert_eq!(read(&[b'x'; 500]).map(|name| name.len()), Some(200));
        assert_eq!((read(b"  "), Program::sent(None).0), (None, None));
    }
}
