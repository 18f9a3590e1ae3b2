// The cases of the suite: what holds, and what it means if it does not. They are those of the Rust test kit, word for word.

/** One thing that the suite tries. Each case has people of its own. */
export type Case = (typeof CASES)[number];

/** All cases, in the order in which they are tried. The last one advances the clock. */
export const CASES = [
  "rightSignIn",
  "madeUpSession",
  "forgedToken",
  "passwordAlone",
  "challengeAsSession",
  "wrongCode",
  "emptyCode",
  "usedCode",
  "usedRecoveryCode",
  "codeOfAnother",
  "crossedSignIns",
  "lockedMethod",
  "refusedCode",
  "outageAtPassword",
  "outageAtCode",
  "outageAtRequest",
  "endedSession",
  "deletedAccount",
  "expiredChallenge",
] as const;

const TEXTS: Record<Case, readonly [holds: string, meaning: string]> = {
  rightSignIn: [
    "password and code open the resource",
    "Nobody can sign in, or the resource is somebody else's. The other cases say little until this one passes.",
  ],
  madeUpSession: [
    "a made-up session opens nothing",
    "Whoever makes up a session gets in. Look each session up, or check each token, before anything else.",
  ],
  forgedToken: [
    "an access token without a good signature opens nothing",
    "Whoever writes a token gets in. Check the signature with the keys of /.well-known/jwks.json, and refuse the algorithm `none`.",
  ],
  passwordAlone: [
    "a password alone opens nothing",
    "Whoever knows the password gets in. Begin a session only with an answer that has an accessToken.",
  ],
  challengeAsSession: [
    "an unfinished sign-in is no session",
    "Whoever knows the password gets in with what the first step returned. Keep unfinished sign-ins apart from sessions.",
  ],
  wrongCode: [
    "a wrong code is refused",
    "The second factor is not checked. Let in only after a 200 of the server.",
  ],
  emptyCode: [
    "an empty code is refused",
    "An empty code counts as no code needed. Send every code to the server, and let in only after its 200.",
  ],
  usedCode: [
    "a code works once",
    "Whoever reads a code over a shoulder can use it again. Do not remember answers; ask the server each time.",
  ],
  usedRecoveryCode: [
    "a recovery code works once",
    "A recovery code on a lost sheet works for ever. Do not remember answers; ask the server each time.",
  ],
  codeOfAnother: [
    "the code of another person is refused",
    "A person's own code opens other people's accounts. Send each code with the mfaToken of that very sign-in.",
  ],
  crossedSignIns: [
    "two sign-ins at once are not mixed up",
    "One person ends in the account of another. Keep the mfaToken with each visitor, and not in a variable that all share.",
  ],
  lockedMethod: [
    "a locked method lets nobody in",
    "The server stopped a method that is being guessed, and the back end lets in all the same. Let in only after a 200.",
  ],
  refusedCode: [
    "no refusal of a code lets anybody in",
    "An error of the server counts as a success. Let in only after a 200, and treat every other answer as a refusal.",
  ],
  outageAtPassword: [
    "nobody gets in while passwords cannot be checked",
    "An outage of the server opens the door. Answer with an error, and let nobody in.",
  ],
  outageAtCode: [
    "nobody gets in while codes cannot be checked",
    "An outage of the server turns the second factor off. Answer with an error, and let nobody in.",
  ],
  outageAtRequest: [
    "nothing opens while sessions cannot be checked",
    "While the server is out of reach, anything counts as a session. Refuse what cannot be checked.",
  ],
  endedSession: [
    "a session that was ended opens nothing",
    "Signing out does not help against a stolen session. End the session in the back end and at the server.",
  ],
  deletedAccount: [
    "a deleted account opens nothing",
    "People who are no longer to get in stay in. Ask the server at each request whether the session still counts.",
  ],
  expiredChallenge: [
    "an expired challenge lets nobody in",
    "A sign-in that was left open stays open. Do not keep the password to begin anew; send the user back to the beginning.",
  ],
};

/** What holds if the case passes, in a few words. */
export function holds(of: Case): string {
  return TEXTS[of][0];
}

/** What it means if the case fails, and what to do. */
export function meaning(of: Case): string {
  return TEXTS[of][1];
}
