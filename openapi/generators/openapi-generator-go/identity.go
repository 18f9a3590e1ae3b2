// Signs in with a password and the code of an authenticator app.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"countersign/client"
)

func main() {
	settings := client.NewConfiguration()
	settings.Servers[0].URL = os.Getenv("URL")
	api, ctx := client.NewAPIClient(settings), context.Background()
	password := client.NewLoginRequest(os.Getenv("NAME"), os.Getenv("PASSWORD"))
	answer, _, err := api.SessionsAPI.Login(ctx).LoginRequest(*password).Execute()
	if err == nil && answer.MfaRequiredResponse != nil {
		fmt.Println("method:", answer.MfaRequiredResponse.Method)
		proof := client.NewMfaVerifyRequest(answer.MfaRequiredResponse.MfaToken, os.Getenv("CODE"))
		session, _, wrong := api.MFALoginAPI.VerifyMfaLogin(ctx).MfaVerifyRequest(*proof).Execute()
		if err = wrong; err == nil && session.AccessToken != "" {
			fmt.Println("signed in")
		}
	}
	var refused *client.GenericOpenAPIError
	if !errors.As(err, &refused) {
		return
	}
	switch union := refused.Model().(type) {
	case client.InvalidCredentialsErrorResponseOrOther:
		if known := union.InvalidCredentialsErrorResponse; known != nil {
			fmt.Println("error:", known.Code)
		} else {
			fmt.Println("other:", union.ErrorResponse.Code)
		}
	default:
		fmt.Println(err, string(refused.Body()))
	}
}
