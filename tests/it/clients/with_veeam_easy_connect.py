"""What users of veeam-easy-connect do at v3: list, enable, accept, sign in, disable, sign out."""

import json
import sys

import requests
from veeam_easy_connect import VeeamEasyConnect

ADDRESS, NAME, PASSWORD = sys.argv[1:]


def code(secret):
    """What the app shows: whoever started this knows what time it is."""
    print("code", secret, flush=True)
    return input()


def emptied(call):
    """The client reads JSON from every answer, and stumbles over those that the vendor's pages have empty."""
    try:
        call()
    except requests.exceptions.JSONDecodeError:
        return "empty"
    return "full"


client = VeeamEasyConnect(NAME, PASSWORD).azure()
client.login(ADDRESS)
everybody = client.get("users", full=False)
print("listed", [user["name"] for user in everybody["results"]])
found = client.get(f"users?NameFilter={NAME}", full=False)
[own] = found["results"]
print("found", own["name"], type(own["id"]).__name__, own["role"], own["isDefault"])
path = f"users/{own['id']}"
begun = client.post(f"{path}/enableMfa", {}, full=False)
print("enabled", begun["userId"] == own["id"], len(begun["scratchCodes"]))
proof = json.dumps({"code": code(begun["secretKey"]), "token": begun["token"]})
client.reqest_header = {**client.get_request_header(), "Content-Type": "application/json"}
print("accepted", emptied(lambda: client.post(f"{path}/acceptMfa", proof, full=False)))
print("mfaEnabled", client.get(path, full=False)["mfaEnabled"])

again = VeeamEasyConnect(NAME, PASSWORD).azure()
again.login(ADDRESS)
again.mfa_token_login(code(begun["secretKey"]))
print("disabled", emptied(lambda: again.post(f"{path}/disableMfa", {}, full=False)))
print("mfaEnabled", again.get(path, full=False)["mfaEnabled"])
# It has no call for this, but hands out what one needs.
out = requests.delete(again.oauth_url, headers=again.get_request_header())
print("signed out", out.status_code)
try:
    again.get("users", full=False)
except requests.exceptions.HTTPError as refused:
    print("refused", refused.response.status_code, refused.response.json()["title"])
