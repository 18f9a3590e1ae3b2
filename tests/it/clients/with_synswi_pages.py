"""What a client written from Synswi's page does: both methods, sign-in, switch, resend, disable.

The page is that of POST /identity/mfa/setup/verify; of all else it has the names alone. Paths and
fields other than `mfaToken`, `code`, `message`, `mfaMethods`, `enabledAt` and `method` are assumed.
"""

import json
import re
import sys
import urllib.error
import urllib.request

ADDRESS, NAME, PASSWORD = sys.argv[1:]
WRONG = "000000"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def call(method, path, body=None, token=None):
    """Sends what the page says, and gives the status and the JSON object of the answer."""
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    sent = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"https://{ADDRESS}{path}", sent, headers, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as refused:
        answer = refused
    with answer:
        text = answer.read()
    return answer.status, json.loads(text)


def post(path, body, token=None):
    status, answer = call("POST", f"/identity/{path}", body, token)
    assert status == 200, (path, status, answer.get("code"))
    return answer


def refused(what, path, body, token=None):
    """An error as the page's schemas name them: there, only `message` is certain."""
    status, answer = call("POST", f"/identity/{path}", body, token)
    assert status >= 400 and answer["message"], (path, status)
    print(what, status, answer["code"])


def ask(*line):
    """Whoever started this reads the mail, or knows what the app shows."""
    print(*line, flush=True)
    return input().strip()


def login():
    return post("login", {"email": NAME, "password": PASSWORD})


def settings(token):
    """The nearest that the page names is "Validate Token"."""
    seen = post("validate-token", {}, token)
    print("settings", seen["valid"], seen["user"]["email"] == NAME, seen["user"]["mfaMethods"])


def set_up(method, token):
    return post("mfa/setup", {"method": method, "password": PASSWORD}, token)


def verify_set_up(begun, code):
    """The one call that has a page of its own, which has no Authorization."""
    done = post("mfa/setup/verify", {"mfaToken": begun["mfaToken"], "code": code})
    told = set(done) == {"message", "mfaMethods", "enabledAt", "method"}
    at = MOMENT.fullmatch(done["enabledAt"]) is not None
    print("enabled", done["method"], done["mfaMethods"], told, at)
    print(done["message"])


def disable(method, token):
    return post("mfa/disable", {"method": method, "password": PASSWORD}, token)


def verify_disable(begun, code):
    done = post("mfa/disable/verify", {"mfaToken": begun["mfaToken"], "code": code})
    print("disabled", done["method"], done["mfaMethods"])


token = login()["accessToken"]
settings(token)
refused("nothing to disable", "mfa/disable", {"method": "email", "password": PASSWORD}, token)
refused("wrong password", "mfa/setup", {"method": "email", "password": "wrong"}, token)
refused("no such method", "mfa/setup", {"method": "fax", "password": PASSWORD}, token)

# The authenticator app.
begun = set_up("authenticator", token)
secret = begun["secret"]
code = ask("code", secret)
refused("wrong code", "mfa/setup/verify", {"mfaToken": begun["mfaToken"], "code": WRONG})
refused("wrong token", "mfa/setup/verify", {"mfaToken": "{{mfaToken}}", "code": code})
verify_set_up(begun, code)
refused("used token", "mfa/setup/verify", {"mfaToken": begun["mfaToken"], "code": code})
body = {"method": "authenticator", "password": PASSWORD}
refused("enabled already", "mfa/setup", body, token)

# Signing in with it.
begun = login()
print("second step", begun["method"], begun["mfaMethods"], "accessToken" in begun)
step = {"mfaToken": begun["mfaToken"]}
refused("wrong purpose", "mfa/setup/verify", {**step, "code": WRONG})
refused("not enabled", "mfa/login/switch", {**step, "method": "email"})
refused("nothing to resend", "mfa/resend", step)
refused("wrong code", "mfa/login/verify", {**step, "code": WRONG})
token = post("mfa/login/verify", {**step, "code": ask("code", secret)})["accessToken"]
settings(token)

# Codes by mail as well.
begun = set_up("email", token)
print("sent", begun["method"])
verify_set_up(begun, ask("mail"))

# Signing in by the other one.
begun = login()
print("second step", begun["method"], begun["mfaMethods"], "accessToken" in begun)
begun = post("mfa/login/switch", {"mfaToken": begun["mfaToken"], "method": "email"})
print("switched", begun["method"])
step = {"mfaToken": begun["mfaToken"]}
refused("resent at once", "mfa/resend", step)
token = post("mfa/login/verify", {**step, "code": ask("mail")})["accessToken"]
settings(token)

# And off again, one after the other.
begun = disable("email", token)
code = ask("mail")
refused("wrong code", "mfa/disable/verify", {"mfaToken": begun["mfaToken"], "code": WRONG})
verify_disable(begun, code)
begun = disable("authenticator", token)
verify_disable(begun, ask("code", secret))
settings(login()["accessToken"])
