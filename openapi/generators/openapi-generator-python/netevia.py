"""Signs in with a password and the code of an authenticator app."""

import os

from client import ApiClient, ApiException, AuthenticationApi, Configuration
from client.models import (
    AuthMfaRequiredResponse,
    AuthRequest,
    CompleteAuthRequest,
    ErrorResponse,
    InvalidCredentialsErrorResponse,
)

api = AuthenticationApi(ApiClient(Configuration(host=os.environ["URL"])))
password = AuthRequest(login=os.environ["NAME"], password=os.environ["PASSWORD"])
try:
    asked = api.authenticate(password).actual_instance
    if isinstance(asked, AuthMfaRequiredResponse):
        print("method:", asked.mfa_method.actual_instance)
        proof = CompleteAuthRequest(mfaToken=asked.mfa_token, code=os.environ["CODE"])
        if api.complete_authentication(proof).token:
            print("signed in")
except ApiException as refused:
    error = refused.data.actual_instance
    if isinstance(error, InvalidCredentialsErrorResponse):
        print("error:", error.code.value)
    elif isinstance(error, ErrorResponse):
        print("other:", error.code)
