"""Signs in with a password and the code of an authenticator app."""

import os

from client import Client
from client.api.mfa_login import verify_mfa_login
from client.api.sessions import login
from client.models import (
    ErrorResponse,
    InvalidCredentialsErrorResponse,
    LoginRequest,
    MfaLoginVerifyResponse,
    MfaRequiredResponse,
    MfaVerifyRequest,
)

api = Client(base_url=os.environ["URL"])
answer = login.sync(client=api, body=LoginRequest(os.environ["NAME"], os.environ["PASSWORD"]))
if isinstance(answer, MfaRequiredResponse):
    print("method:", answer.method)
    proof = MfaVerifyRequest(answer.mfa_token, os.environ["CODE"])
    answer = verify_mfa_login.sync(client=api, body=proof)
if isinstance(answer, MfaLoginVerifyResponse) and answer.access_token:
    print("signed in")
elif isinstance(answer, InvalidCredentialsErrorResponse):
    print("error:", answer.code)
elif isinstance(answer, ErrorResponse):
    print("other:", answer.code)
