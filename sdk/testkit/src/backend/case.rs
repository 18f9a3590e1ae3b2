//! The cases of the suite: what holds, and what it means if it does not.

use std::fmt;

/// One thing that the suite tries. Each case has people of its own.
///
/// ```
/// use countersign_testkit::backend::Case;
///
/// assert_eq!(Case::PasswordAlone.to_string(), "a password alone opens nothing");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Case {
    /// Password and code open the resource of the right person. Without it, no other case says
    /// anything.
    RightSignIn,
    /// A session that somebody made up opens nothing.
    MadeUpSession,
    /// An access token without a good signature opens nothing.
    ForgedToken,
    /// After the password alone nothing is open.
    PasswordAlone,
    /// What stands between password and code is no session.
    ChallengeAsSession,
    /// A wrong code is refused.
    WrongCode,
    /// An empty code is refused.
    EmptyCode,
    /// A code that was used is refused.
    UsedCode,
    /// A recovery code that was used is refused.
    UsedRecoveryCode,
    /// The code of somebody else, who is signing in as well, is refused.
    CodeOfAnother,
    /// Two people who sign in at once are not mixed up.
    CrossedSignIns,
    /// A method that is locked after too many wrong codes lets nobody in with a right one.
    LockedMethod,
    /// No answer that refuses the code lets anybody in.
    RefusedCode,
    /// While the server cannot check passwords, nobody is let in.
    OutageAtPassword,
    /// While the server cannot check codes, nobody is let in.
    OutageAtCode,
    /// While the server cannot check sessions, a made-up session opens nothing.
    OutageAtRequest,
    /// A session that its owner ended opens nothing.
    EndedSession,
    /// A session of an account that was deleted opens nothing.
    DeletedAccount,
    /// A challenge that is too old lets nobody in with a right code.
    ExpiredChallenge,
}

impl Case {
    /// All cases, in the order in which they are tried. The last one advances the clock.
    ///
    /// ```
    /// use countersign_testkit::backend::Case;
    ///
    /// assert_eq!(Case::ALL[0], Case::RightSignIn);
    /// ```
    pub const ALL: [Self; 19] = [
        Self::RightSignIn,
        Self::MadeUpSession,
        Self::ForgedToken,
        Self::PasswordAlone,
        Self::ChallengeAsSession,
        Self::WrongCode,
        Self::EmptyCode,
        Self::UsedCode,
        Self::UsedRecoveryCode,
        Self::CodeOfAnother,
        Self::CrossedSignIns,
        Self::LockedMethod,
        Self::RefusedCode,
        Self::OutageAtPassword,
        Self::OutageAtCode,
        Self::OutageAtRequest,
        Self::EndedSession,
        Self::DeletedAccount,
        Self::ExpiredChallenge,
    ];

    /// Returns what holds if the case passes, in a few words.
    ///
    /// ```
    /// use countersign_testkit::backend::Case;
    ///
    /// assert_eq!(Case::WrongCode.holds(), "a wrong code is refused");
    /// ```
    #[must_use]
    pub const fn holds(self) -> &'static str {
        match self {
            Self::RightSignIn => "password and code open the resource",
            Self::MadeUpSession => "a made-up session opens nothing",
            Self::ForgedToken => "an access token without a good signature opens nothing",
            Self::PasswordAlone => "a password alone opens nothing",
            Self::ChallengeAsSession => "an unfinished sign-in is no session",
            Self::WrongCode => "a wrong code is refused",
            Self::EmptyCode => "an empty code is refused",
            Self::UsedCode => "a code works once",
            Self::UsedRecoveryCode => "a recovery code works once",
            Self::CodeOfAnother => "the code of another person is refused",
            Self::CrossedSignIns => "two sign-ins at once are not mixed up",
            Self::LockedMethod => "a locked method lets nobody in",
            Self::RefusedCode => "no refusal of a code lets anybody in",
            Self::OutageAtPassword => "nobody gets in while passwords cannot be checked",
            Self::OutageAtCode => "nobody gets in while codes cannot be checked",
            Self::OutageAtRequest => "nothing opens while sessions cannot be checked",
            Self::EndedSession => "a session that was ended opens nothing",
            Self::DeletedAccount => "a deleted account opens nothing",
            Self::ExpiredChallenge => "an expired challenge lets nobody in",
        }
    }

    /// Returns what it means if the case fails, and what to do, in a sentence or two.
    ///
    /// ```
    /// use countersign_testkit::backend::Case;
    ///
    /// println!("{}", Case::UsedCode.meaning());
    /// ```
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::RightSignIn => {
                "Nobody can sign in, or the resource is somebody else's. The other cases say little until this one passes."
            }
            Self::MadeUpSession => {
                "Whoever makes up a session gets in. Look each session up, or check each token, before anything else."
            }
            Self::ForgedToken => {
                "Whoever writes a token gets in. Check the signature with the keys of /.well-known/jwks.json, and refuse the algorithm `none`."
            }
            Self::PasswordAlone => {
                "Whoever knows the password gets in. Begin a session only with an answer that has an accessToken."
            }
            Self::ChallengeAsSession => {
                "Whoever knows the password gets in with what the first step returned. Keep unfinished sign-ins apart from sessions."
            }
            Self::WrongCode => {
                "The second factor is not checked. Let in only after a 200 of the server."
            }
            Self::EmptyCode => {
                "An empty code counts as no code needed. Send every code to the server, and let in only after its 200."
            }
            Self::UsedCode => {
                "Whoever reads a code over a shoulder can use it again. Do not remember answers; ask the server each time."
            }
            Self::UsedRecoveryCode => {
                "A recovery code on a lost sheet works for ever. Do not remember answers; ask the server each time."
            }
            Self::CodeOfAnother => {
                "A person's own code opens other people's accounts. Send each code with the mfaToken of that very sign-in."
            }
            Self::CrossedSignIns => {
                "One person ends in the account of another. Keep the mfaToken with each visitor, and not in a variable that all share."
            }
            Self::LockedMethod => {
                "The server stopped a method that is being guessed, and the back end lets in all the same. Let in only after a 200."
            }
            Self::RefusedCode => {
                "An error of the server counts as a success. Let in only after a 200, and treat every other answer as a refusal."
            }
            Self::OutageAtPassword => {
                "An outage of the server opens the door. Answer with an error, and let nobody in."
            }
            Self::OutageAtCode => {
                "An outage of the server turns the second factor off. Answer with an error, and let nobody in."
            }
            Self::OutageAtRequest => {
                "While the server is out of reach, anything counts as a session. Refuse what cannot be checked."
            }
            Self::EndedSession => {
                "Signing out does not help against a stolen session. End the session in the back end and at the server."
            }
            Self::DeletedAccount => {
                "People who are no longer to get in stay in. Ask the server at each request whether the session still counts."
            }
            Self::ExpiredChallenge => {
                "A sign-in that was left open stays open. Do not keep the password to begin anew; send the user back to the beginning."
            }
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.holds())
    }
}
