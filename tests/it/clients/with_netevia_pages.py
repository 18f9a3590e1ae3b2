"""What a client written from Netevia's two pages does: POST and DELETE /settings/MfaSignIn.

The pages need a bearer token and do not say where it comes from. Signing in is therefore assumed
(`sign_in`), and so is how a set-up by app or text message ends (`finish`).
"""

import json
import sys
import urllib.error
import urllib.request

ADDRESS, NAME, PASSWORD = sys.argv[1:]
WRONG = "000000"


def call(method, path, body=None, token=None):
    """Sends what the pages say, and gives the status and the JSON object of the answer."""
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


def turn_on(token, **body):
    return call("POST", "/settings/MfaSignIn", body, token)


def turn_off(token):
    """Without a body: "The bearer token is sufficient"."""
    return call("DELETE", "/settings/MfaSignIn", token=token)


def ask(*line):
    """Whoever started this reads the mail or the text message, or knows what the app shows."""
    print(*line, flush=True)
    return input().strip()


def begin():
    """Assumed: not on the pages. The first half of a sign-in."""
    status, answer = call("POST", "/identity/login", {"email": NAME, "password": PASSWORD})
    assert status == 200, status
    return answer


def sign_in(*line, wrong=False):
    """Assumed: not on the pages. With a line for `ask`, the second step is expected, else not."""
    answer = begin()
    if not line:
        print("signed in", "by password alone" if "accessToken" in answer else "not yet")
        return answer["accessToken"]
    print("second step", answer["method"], "accessToken" in answer)
    code = ask(*line)
    proof = {"mfaToken": answer["mfaToken"], "code": code}
    if wrong:
        status, refused = call("POST", "/identity/mfa/login/verify", {**proof, "code": WRONG})
        print("wrong code", status, refused["code"])
    status, answer = call("POST", "/identity/mfa/login/verify", proof)
    print("signed in", status)
    return answer["accessToken"]


def finish(begun, *line):
    """Assumed: the pages have no such call, but the message of the answer names it."""
    proof = {"mfaToken": begun["mfaToken"], "shortMessageType": "ContactInfoUpdateRequest"}
    path = "/api/CodeVerification/check"
    code = ask(*line)
    status, refused = call("POST", path, {**proof, "code": WRONG})
    print("wrong code", status, refused["code"])
    status, ended = call("POST", path, {**proof, "code": code})
    print("verified", status, ended["mfaMethod"], ended["mfaEnabled"])


# Who is not signed in is told so.
print("nobody", turn_on(None, mfaMethod="email")[0], turn_off(None)[0])
print("no token", turn_on("expired", mfaMethod="email")[0], turn_off("expired")[0])

token = sign_in()
print("fax", turn_on(token, mfaMethod="fax")[0])
print("sms without a number", turn_on(token, mfaMethod="sms")[0])
print("sms to no number", turn_on(token, mfaMethod="sms", phoneNumber="12")[0])

# By mail, where the one call is all.
status, answer = turn_on(token, mfaMethod="email", email=NAME)
print("email on", status, answer["mfaMethod"], answer["mfaEnabled"])
status, answer = turn_off(token)
print("off by the same token", status, answer["mfaEnabled"])
status, answer = turn_on(sign_in(), mfaMethod="email", email=NAME)
print("email on", status, answer["mfaMethod"], answer["mfaEnabled"])
status, answer = turn_off(sign_in("mail", wrong=True))
print("off", status, answer["mfaEnabled"])
token = sign_in()

# By an authenticator app.
status, begun = turn_on(token, mfaMethod="authenticator")
print("authenticator on", status, begun["mfaMethod"], begun["mfaEnabled"])
secret = begun["secret"]
finish(begun, "code", secret)
token = sign_in("code", secret, wrong=True)
status, answer = turn_off(token)
print("off", status, answer["mfaEnabled"])
token = sign_in()

# By text message, which not every server sends.
status, begun = turn_on(token, mfaMethod="sms", phoneNumber="+12025550123")
if status == 200:
    print("sms on", status, begun["mfaMethod"], begun["mfaEnabled"])
    finish(begun, "text")
    token = sign_in("text")
    status, answer = turn_off(token)
    print("off", status, answer["mfaEnabled"])
    token = sign_in()
else:
    print("sms not offered", status, begun["code"])

# Once more, when it is off already.
status, answer = turn_off(token)
print("off again", status, answer["mfaEnabled"])
