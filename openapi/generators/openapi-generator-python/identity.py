"""Signs in with a password and the code of an authenticator app."""

import os

from client import ApiClient, ApiException, Configuration, MFALoginApi, SessionsApi
from client.models import (
    ErrorResponse,
    InvalidCredentialsErrorResponse,
    LoginRequest,
    MfaRequiredResponse,
    MfaVerifyRequest,
)

api = ApiClient(Configuration(host=os.environ["URL"]))
password = LoginRequest(email=os.environ["NAME"], password=os.environ["PASSWORD"])
try:
    asked = SessionsApi(api).login(password).actual_instance
    if isinstance(asked, MfaRequiredResponse):
        print("method:", asked.method.actual_instance)
        proof = MfaVerifyRequest(mfaToken=asked.mfa_token, code=os.environ["CODE"])
        if MFALoginApi(api).verify_mfa_login(proof).access_token:
            print("signed in")
except ApiException as refused:
    error = refused.data.actual_instance
    if isinstance(error, InvalidCredentialsErrorResponse):
        print("error:", error.code.value)
    elif isinstance(error, ErrorResponse):
        print("other:", error.code)
