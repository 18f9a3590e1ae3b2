// Makes Try It succeed on the first click: prepares each call with the sandbox's fixture, and shows who calls, the messages and the clock.

/** The password of everybody in the sandbox. */
const PASSWORD = "correct horse battery staple";

/** Where a request says who it is about. */
const NAMES = ["email", "login", "username"];

/** What is a code of a second step. */
const CODES = ["code", "mfa_code"];

/** Which members of an answer are bearers, by document; the first one there counts. */
const BEARERS = {
  identity: ["accessToken"],
  netevia: ["token"],
  flashback: ["fullAccessToken", "accessToken"],
  veeam: ["access_token"],
};

/** How many messages the panel shows. */
const SHOWN = 20;

/** What the page shows. `caller` is an address, or empty for somebody new for each call. */
let state = {
  caller: "", last: "", people: [], errors: {}, chosen: {}, notes: {}, messages: [], ahead: 0, now: 0, held: false,
  app: undefined,
};
const readers = new Set();

/** What is known of somebody by answers: tokens, the bearer, the app's secret, options for a passkey. */
const known = new Map();

/** What was filled in, by operation and field, so that it counts as untouched later. */
const filled = new Map();

/** The bearers that were set here, by security scheme: others are the user's. */
const borne = new Map();

/** Changes what the page shows. */
function change(part) {
  state = { ...state, ...part };
  readers.forEach((read) => read());
}

/** Calls `read` after each change, until the function that it returns is called. */
function watch(read) {
  readers.add(read);
  return () => readers.delete(read);
}

/** Calls the server: the answer's body. Throws its sentence where it is an error. */
async function ask(method, path, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.message ?? `${method} ${path}: ${answer.status}`);
  return said;
}

/** What is known of somebody; nothing at first. */
const about = (who) => known.get(who) ?? known.set(who, { variables: {}, spent: new Set(), since: 0 }).get(who);
/** Somebody who is in the sandbox from the beginning. */
const person = (who) => state.people.find((one) => one.email === who);
/** A value as a field shows it. */
const text = (value) => (typeof value === "string" ? value : value == null ? "" : JSON.stringify(value));
const same = (a, b) => text(a) === text(b);
/** The first of these members that there is. */
const first = (names, values) => names.map((name) => values[name]).find((value) => value);

// What is filled in

/** The operation that the page shows: its document, its id, and where Swagger UI keeps it. */
function shown(system, path, method, operation) {
  const api = /([a-z]+)\.yaml$/.exec(system.specSelectors.url())?.[1] ?? "identity";
  const id = operation.get("operationId");
  return { api, id, path, method, operation, key: `${api} ${id}`, place: [path, method] };
}

/** The fields of an operation: what stands there, what its examples say, and how to replace it. */
function fieldsOf(system, call) {
  return [...parametersOf(system, call), ...membersOf(system, call)].map((field) => {
    const before = filled.get(call.key)?.[field.name];
    const ours = before !== undefined && same(field.now, before);
    return { ...field, ours, untouched: ours || field.examples.some((example) => same(field.now, example)) };
  });
}

/** The parameters in path and query. */
function parametersOf(system, call) {
  const { specSelectors, specActions } = system;
  const all = call.operation.get("parameters")?.toArray() ?? [];
  return all.map((one) => ({
    name: one.get("name"),
    now: specSelectors.parameterWithMetaByIdentity(call.place, one)?.get("value"),
    examples: [one.get("example") ?? one.getIn(["schema", "default"])],
    put: (value) => specActions.changeParamByIdentity(call.place, one, text(value), false),
  }));
}

/** The fields of a form, or the members of a JSON body. */
function membersOf(system, call) {
  const media = system.oas3Selectors.requestContentType(...call.place);
  const content = call.operation.getIn(["requestBody", "content", media])?.toJS();
  const body = content && system.oas3Selectors.requestBodyValue(...call.place);
  const set = (value) => system.oas3Actions.setRequestBodyValue({ value, pathMethod: call.place });
  if (system.Im.Map.isMap(body)) {
    return Object.entries(content.schema.properties).map(([name, schema]) => ({
      name,
      now: body.getIn([name, "value"]),
      examples: [schema.example],
      put: (value) => set(system.oas3Selectors.requestBodyValue(...call.place).setIn([name], text(value))),
    }));
  }
  let members;
  try {
    members = JSON.parse(body || "{}");
  } catch {
    return []; // The user's own text, to be sent as it is.
  }
  const examples = [content?.example, ...Object.values(content?.examples ?? {}).map((one) => one.value)];
  return Object.keys(members).map((name) => ({
    name,
    now: members[name],
    examples: examples.map((one) => one?.[name]).filter((value) => value !== undefined),
    put: (value) => {
      members[name] = value;
      set(JSON.stringify(members, null, 2));
    },
  }));
}

/** Fills the fields that the user left untouched: the names of those filled, and of those kept. */
function fill(call, fields, given) {
  const before = filled.get(call.key) ?? {};
  const done = [];
  for (const field of fields.filter((one) => one.untouched)) {
    // What was filled in for somebody else goes back to the example.
    const value = given[field.name] ?? (field.ours ? field.examples[0] : undefined);
    if (value === undefined) continue;
    field.put(value);
    before[field.name] = value;
    if (given[field.name] !== undefined) done.push(field.name);
  }
  filled.set(call.key, before);
  return { done, kept: fields.filter((one) => !one.untouched).map((one) => one.name) };
}

/** The bearer schemes that an operation takes. */
function schemesOf(system, call) {
  const taken = (call.operation.get("security")?.toJS() ?? []).flatMap((one) => Object.keys(one));
  const all = system.specSelectors.securityDefinitions()?.toJS() ?? {};
  return taken.filter((name) => all[name]?.scheme === "bearer").map((name) => ({ name, schema: all[name] }));
}

/** Authorizes the operation's schemes; tells whether a bearer of the user's own was kept. */
function authorize(system, schemes, bearer) {
  let kept = false;
  for (const { name, schema } of schemes) {
    const now = system.authSelectors.authorized().getIn([name, "value"]);
    if (now && now !== borne.get(name)) {
      kept = true;
    } else if (bearer) {
      borne.set(name, bearer);
      system.authActions.authorize({ [name]: { name, schema, value: bearer } });
    } else if (now) {
      system.authActions.logout([name]);
    }
  }
  return kept;
}

/** Prepares a call, and says what was done: for whom, and what stands in the note below the fields. */
async function prepare(system, call) {
  const code = state.chosen[call.key];
  if (code) return { note: `Answered with ${code}, as chosen. Nothing else happens.` };
  const fields = fieldsOf(system, call);
  const schemes = schemesOf(system, call);
  const typed = fields.find((one) => NAMES.includes(one.name) && !one.untouched && text(one.now).includes("@"));
  // Whoever types an address goes on as that person.
  if (typed && call.api !== "sandbox") change({ caller: text(typed.now) });
  const who = state.caller;
  const given = who && call.api !== "sandbox" ? await story(who, call, fields, schemes) : await fixture(call);
  const { done, kept } = fill(call, fields, given.variables);
  const own = authorize(system, schemes, given.bearer);
  const parts = [];
  if (done.length) parts.push(`Filled in: ${done.join(", ")}.`);
  if (own) parts.push("Sent with the bearer that you authorized.");
  else if (given.bearer && schemes.length) parts.push(`Sent with a token of ${given.who}.`);
  if (kept.length) parts.push(`Kept as you typed: ${kept.join(", ")}.`);
  return { who: given.who, note: parts.join(" ") || "No value was filled in." };
}

/** What the call of somebody new needs. */
async function fixture(call) {
  const { variables, bearer, person: made } = await ask("POST", `/sandbox/fixtures/${call.id}?api=${call.api}`);
  return { variables, bearer, who: made?.email ?? variables.email ?? "" };
}

// Somebody who goes on from call to call

/** What the next call of somebody needs, by what is known of them. */
async function story(who, call, fields, schemes) {
  const memory = about(who);
  const one = person(who);
  const variables = { password: one?.password ?? PASSWORD, NameFilter: who, ...memory.variables };
  NAMES.forEach((name) => (variables[name] = who));
  if (one?.phoneNumber) variables.phoneNumber = one.phoneNumber;
  if (call.api === "veeam" && one) variables.id = one.number;
  const wants = (name) => fields.some((field) => field.name === name && field.untouched);
  if (wants("mfaToken") && !memory.variables.mfaToken) {
    throw new Error(`Nothing waits for a code of ${who}: first execute the call whose answer has an mfaToken, such as a login.`);
  }
  const code = CODES.find(wants);
  // A form has all fields; those of the second step matter once it was asked for.
  const second = code === "code" || memory.variables.mfa_token;
  if (second && code) variables[code] = await codeOf(who);
  if (second && code === "mfa_code") variables.grant_type = "Mfa";
  if (wants("token")) variables.token = (await sentTo(who))?.token ?? memory.variables.token;
  if (wants("credential") && memory.options) variables.credential = await credentialOf(who, memory.options);
  if (!code) memory.since = (await ask("GET", "/sandbox")).lastMessage;
  const bearer = memory.bearer ?? (schemes.some((scheme) => scheme.name === "bearerAuth") ? await signIn(who) : undefined);
  return { variables, bearer, who };
}

/** The newest message to somebody with a code or a link, of those that their last call caused. */
async function sentTo(who, wait = 0) {
  const { since } = about(who);
  const to = [who, person(who)?.phoneNumber].filter(Boolean);
  const found = await Promise.all(to.map((address) =>
    ask("GET", `/sandbox/messages?after=${since}&wait=${wait}&limit=5&to=${encodeURIComponent(address)}`)));
  const all = found.flatMap((one) => one.messages).filter((one) => one.code || one.token);
  return all.sort((a, b) => a.number - b.number).at(-1);
}

/** The right code: the one that was sent, else what the app shows; if that was used, time goes on to the next one. */
async function codeOf(who) {
  const memory = about(who);
  const app = appOf(who);
  const sent = await sentTo(who, app ? 0 : 3);
  if (sent?.code) return sent.code;
  if (!app) throw new Error(`No code was sent to ${who}.`);
  let { code, nextCode, secondsLeft } = await ask("POST", "/sandbox/authenticator-code", app);
  // A code works once, and the next one not before its time.
  if (memory.spent.has(code)) {
    await moveClock("POST", "/advance", { seconds: secondsLeft });
    code = nextCode;
  }
  memory.spent.add(code);
  return code;
}

/** How to ask for the code of somebody's authenticator app, if there is one. */
function appOf(who) {
  const { secret } = about(who);
  return secret ? { secret } : person(who)?.authenticatorSecret && { email: who };
}

/** What the virtual device answers to the options of a set-up or of a sign-in. */
async function credentialOf(who, publicKey) {
  const made = publicKey.pubKeyCredParams
    ? await ask("POST", "/sandbox/passkeys", { publicKey })
    : await ask("POST", "/sandbox/passkeys/use", { publicKey, email: who });
  return made.credential;
}

/** Signs somebody in by the native API: the bearer. */
async function signIn(who) {
  const memory = about(who);
  memory.since = (await ask("GET", "/sandbox")).lastMessage;
  const password = person(who)?.password ?? PASSWORD;
  let answer = await ask("POST", "/identity/login", { email: who, password });
  const { mfaToken, method } = answer;
  if (method === "passkey") {
    const { publicKey } = await ask("POST", "/identity/mfa/login/passkey-options", { mfaToken });
    const credential = await credentialOf(who, publicKey);
    answer = await ask("POST", "/identity/mfa/login/verify-passkey", { mfaToken, credential });
  } else if (mfaToken) {
    answer = await ask("POST", "/identity/mfa/login/verify", { mfaToken, code: await codeOf(who) });
  }
  memory.bearer = answer.accessToken;
  memory.variables.refreshToken = answer.refreshToken;
  return memory.bearer;
}

/** Keeps what an answer says for the next call of somebody. */
function learn(who, call, answer) {
  const memory = about(who);
  const said = { ...answer, ...answer.data };
  for (const [name, value] of Object.entries(said)) {
    if (/token$/i.test(name) && typeof value === "string" && value) memory.variables[name] = value;
  }
  const bearer = first(BEARERS[call.api] ?? [], said);
  // An answer with a bearer ends the steps before it.
  if (bearer) ["mfaToken", "mfa_token"].forEach((name) => delete memory.variables[name]);
  if (said.mfaToken) memory.variables.mfaToken = said.mfaToken;
  memory.bearer = bearer ?? (call.id === "logout" ? undefined : memory.bearer);
  memory.secret = said.secret ?? said.secretKey ?? memory.secret;
  const options = said.publicKey ?? said.options ?? (said.challenge && said);
  if (options?.challenge) {
    memory.options = options;
    memory.variables.challenge = said.challenge ?? options.challenge;
  }
}

/** Takes notice of the answer that the page now shows. */
function took(system, call, who) {
  const answer = system.specSelectors.responseFor(...call.place);
  const status = answer?.get("status");
  if (call.id === "resetSandbox" && status === 200) {
    // What was filled in still stands in the fields, and still counts as untouched.
    known.clear();
    change({ caller: "", last: "", messages: [] });
  }
  if (call.api === "sandbox") readClock();
  if (!who) return;
  let body = {};
  try {
    body = JSON.parse(answer?.get("text") || "{}");
  } catch {
    // No JSON: nothing to learn.
  }
  if (status < 300) learn(who, call, body);
  // The session is over: the next call signs in again.
  if (status === 401) about(who).bearer = undefined;
  change({ last: who });
}

// The plugin

/** Runs before Swagger UI builds the request: it reads fields and bearers anew afterwards. */
const execute = (original, system) => async (request) => {
  const call = shown(system, request.path, request.method, request.operation);
  const note = (said) => change({ notes: { ...state.notes, [call.key]: said } });
  let done = {};
  try {
    done = await prepare(system, call);
  } catch (error) {
    // Nobody else's token goes with it.
    authorize(system, schemesOf(system, call), undefined);
    done = { note: `Sent unchanged. ${error.message}` };
  }
  note(done.note);
  await original(request);
  took(system, call, done.who);
};

/** Names the chosen error in the request's header, also in the command that the page shows. */
function afterLoad(system) {
  const { fn } = system.getSystem();
  const send = fn.execute;
  fn.execute = (request) => {
    const code = state.chosen[shown(system.getSystem(), request.pathName, request.method, request.operation).key];
    if (!code) return send(request);
    const requestInterceptor = (sent) => {
      sent.headers["Countersign-Sandbox-Error"] = code;
      // A success that the browser keeps is no answer to this.
      sent.cache = "no-store";
      return request.requestInterceptor(sent);
    };
    return send({ ...request, requestInterceptor });
  };
}

/** Below an operation's fields: the choice of its answer, and what was filled in. */
const withChoice = (Fields, system) => (props) => {
  const h = system.React.createElement;
  const seen = system.React.useSyncExternalStore(watch, () => state);
  const fields = h(Fields, props);
  if (!props.tryItOutEnabled) return fields;
  const call = shown(system, ...props.pathMethod, props.operation);
  const errors = seen.errors[call.key] ?? [];
  const choose = (event) => change({ chosen: { ...state.chosen, [call.key]: event.target.value } });
  return h("div", null, fields, h("div", { className: "try-it" },
    h("label", null, "Answer ",
      h("select", { value: seen.chosen[call.key] ?? "", onChange: choose },
        h("option", { value: "" }, "the server's own answer"),
        errors.map(({ status, code }) => h("option", { key: `${status} ${code}`, value: code }, `${status} ${code}`)))),
    h("p", { role: "status" }, seen.notes[call.key] ?? promise(call))));
};

/** What Execute is going to do. */
function promise(call) {
  const names = call.operation.get("x-variables")?.toJS() ?? [];
  const parts = [];
  if (names.length) parts.push(`Execute fills in the values you do not change: ${names.join(", ")}.`);
  if (call.operation.get("security")?.size) parts.push("It signs somebody in first.");
  return parts.join(" ") || "No value will be filled in.";
}

/** The documents, with the panel beside them. */
const withPanel = (Layout, system) => (props) => {
  const h = system.React.createElement;
  return h("div", { className: "with-sandbox" }, h(Layout, props), h(panel(system)));
};

// The panel

/** The time of day in UTC. */
const time = (at) => new Date(at).toISOString().slice(11, 19);

/** The day in UTC. */
const day = (at) => new Date(at).toISOString().slice(0, 10);

/** The panel's component, the same one for each rendering. */
let Panel;
function panel(system) {
  Panel ??= () => {
    const { createElement: h, useSyncExternalStore, useState, useEffect } = system.React;
    const seen = useSyncExternalStore(watch, () => state);
    const [, tick] = useState(0);
    useEffect(() => {
      const timer = setInterval(() => tick((count) => count + 1), 1000);
      return () => clearInterval(timer);
    }, []);
    const now = seen.held ? seen.now : Date.now() + seen.ahead;
    return h("aside", { className: "sandbox", "aria-label": "Sandbox" },
      h("details", { open: matchMedia("(min-width: 1100px)").matches },
        h("summary", null, "Sandbox ", h("span", { className: "sandbox-now" }, `${day(now)} ${time(now)} UTC`)),
        callers(h, seen), clock(h, seen), messages(h, seen)));
  };
  return Panel;
}

/** Who calls. */
function callers(h, seen) {
  const listed = seen.people.map((one) => one.email);
  const others = [...new Set([seen.last, seen.caller])].filter((who) => who && !listed.includes(who));
  const option = (who, said) => h("option", { key: who, value: who }, said);
  // What was said of the calls before says nothing of those as somebody else.
  const choose = (event) => change({ caller: event.target.value, notes: {}, app: undefined });
  const status = seen.caller
    ? `${about(seen.caller).bearer ? "Signed in" : "Not signed in yet"}. Values from an answer are used in the next call.`
    : seen.last ? `The last call was made as ${seen.last}.` : "Every example succeeds, in any order.";
  const goOn = !seen.caller && seen.last
    && h("button", { onClick: () => change({ caller: seen.last }) }, "Continue as this person");
  return h("section", null,
    h("label", null, "Call as ",
      h("select", { value: seen.caller, onChange: choose, className: "sandbox-caller" },
        option("", "a new person each time"),
        others.map((who) => option(who, who)),
        seen.people.map((one) => option(one.email, `${one.email.split("@")[0]}: ${one.about}`)))),
    h("p", { role: "status" }, status), goOn, app(h, seen));
}

/** The code that the caller's authenticator app shows. */
function app(h, { caller, app: shown, now, held, ahead }) {
  const asked = caller && appOf(caller);
  if (!asked) return null;
  const left = shown ? Math.ceil((shown.until - (held ? now : Date.now() + ahead)) / 1000) : 0;
  const show = async () => {
    const { code, secondsLeft } = await ask("POST", "/sandbox/authenticator-code", asked);
    const at = state.held ? state.now : Date.now() + state.ahead;
    change({ app: { code, until: at + secondsLeft * 1000 } });
  };
  return h("div", { className: "sandbox-app" }, left > 0
    ? [copy(h, shown.code), ` from the authenticator app, ${left} s left`]
    : h("button", { onClick: show }, "Show the authenticator app's code"));
}

/** Buttons that move the clock and hold it. */
function clock(h, seen) {
  const advance = (seconds, said) => h("button", { key: said, onClick: () => moveClock("POST", "/advance", { seconds }) }, said);
  return h("section", null,
    h("h3", null, "Clock"),
    h("div", { className: "sandbox-buttons" },
      advance(30, "+30 s"), advance(600, "+10 min"), advance(3600, "+1 h"), advance(86400, "+1 day"),
      h("button", { "aria-pressed": seen.held, onClick: () => moveClock("PUT", "", { held: !seen.held }) }, "Hold")));
}

/** A button that copies a code. */
function copy(h, code) {
  const take = async ({ currentTarget }) => {
    await navigator.clipboard.writeText(code);
    currentTarget.title = "Copied";
  };
  return h("button", { key: code, onClick: take, title: "Copy" }, `Copy ${code}`);
}

/** A text whose addresses can be clicked. */
function linked(h, text) {
  return text.split(/(https?:\/\/\S+)/).map((part, index) =>
    index % 2 ? h("a", { key: index, href: part, target: "_blank", rel: "noreferrer" }, part) : part);
}

/** Mails and text messages, newest first. */
function messages(h, seen) {
  const one = (message) => h("li", { key: message.number },
    h("div", null, message.channel === "mail" ? "Mail" : "Text", " to ", h("strong", null, message.to), `, ${time(message.sentAt)}`),
    h("details", null, h("summary", null, message.subject ?? "Text message"),
      h("pre", null, linked(h, message.text))),
    message.code && copy(h, message.code));
  return h("section", null,
    h("h3", null, "Messages"),
    seen.messages.length
      ? h("ol", { className: "sandbox-messages", "aria-label": "Messages, newest first" }, seen.messages.map(one))
      : h("p", null, "No mail and no text message yet."));
}

/** Moves the clock, or holds it. */
async function moveClock(method, path, body) {
  keepClock(await ask(method, `/sandbox/clock${path}`, body));
}

/** Reads the clock. */
async function readClock() {
  keepClock(await ask("GET", "/sandbox/clock"));
}

/** Keeps what the sandbox says of its clock. */
function keepClock({ now, held }) {
  const at = Date.parse(now);
  change({ now: at, held, ahead: at - Date.now() });
}

/** Waits. */
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Waits until the page is seen again. */
const shownAgain = () => new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));

/** Reads who there is and what can be answered; then waits for messages for as long as the page is open. */
async function follow() {
  let after;
  for (;;) {
    // A browser has few connections to a server: those of hidden pages are for others.
    if (document.hidden) await shownAgain();
    try {
      after ??= await begin();
      const found = await ask("GET", `/sandbox/messages?after=${after}&wait=10&limit=${SHOWN}`);
      // Numbers begin anew with a reset.
      after = found.last < after ? 0 : found.last;
      if (found.messages.length) change({ messages: [...found.messages.reverse(), ...state.messages].slice(0, SHOWN) });
      await readClock();
    } catch {
      // The server is gone, or busy.
      await pause(5000);
    }
  }
}

/** Reads what does not change: the number of the last message that is not shown. */
async function begin() {
  const [{ people }, { operations }] = await Promise.all([ask("GET", "/sandbox/people"), ask("GET", "/sandbox/operations")]);
  change({ people, errors: Object.fromEntries(operations.map((one) => [`${one.api} ${one.operationId}`, one.errors])) });
  await readClock();
  return Math.max(0, (await ask("GET", "/sandbox")).lastMessage - SHOWN);
}

const plugin = {
  afterLoad,
  statePlugins: { spec: { wrapActions: { execute } } },
  wrapComponents: { parameters: withChoice, StandaloneLayout: withPanel },
};

const { SwaggerUIBundle } = window;
window.SwaggerUIBundle = Object.assign(
  (options) => SwaggerUIBundle({ ...options, plugins: [...options.plugins, plugin] }),
  SwaggerUIBundle,
);
follow();
