"""Signs in with a password and the code of an authenticator app."""

import os

from client import Client
from client.api.authentication import request_token
from client.models import (
    ErrorResponse,
    InvalidCredentialsErrorResponse,
    TokenRequest,
    TokenResponse,
)

api = Client(base_url=os.environ["URL"])
name, password = os.environ["NAME"], os.environ["PASSWORD"]
form = TokenRequest("Password", username=name, password=password)
answer = request_token.sync(client=api, body=form)
if isinstance(answer, TokenResponse) and answer.mfa_token:
    print("method:", answer.mfa_method)
    proof = TokenRequest("Mfa", mfa_token=answer.mfa_token, mfa_code=os.environ["CODE"])
    answer = request_token.sync(client=api, body=proof)
if isinstance(answer, TokenResponse) and answer.access_token:
    print("signed in")
elif isinstance(answer, InvalidCredentialsErrorResponse):
    print("error:", answer.code)
elif isinstance(answer, ErrorResponse):
    print("other:", answer.code)
